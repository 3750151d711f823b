// Adaptive rounding: a weight goes up or down not by which integer is nearer, but such that the
// layer's output on calibration data errs least.
//
// The objective is that of AdaRound (Nagel et al. 2020) and GPTQ (Frantar et al. 2022), the squared
// error of one layer's output; it is made least by cyclic coordinate descent over the integers
// (QuantEase, Behdin et al. 2023): every step is exact and none worsens it.
#pragma once

#include <cstddef>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/graph/model.h"
#include "planish/quantize/plan.h"
#include "planish/remedy/layer_statistics.h"

namespace planish {

struct RoundingConfig {
  /// Added to the mean square of every input, as a share of their mean: keeps inputs that the
  /// samples hardly show from drawing errors to themselves, which others would pay for.
  double damping = 0.01;
  std::size_t max_sweeps = 8;  // over a layer's weights; fewer when a sweep changes nothing
  int threads = 0;             // 0: usable_cores()
};

/// E[|(W - W') x|^2] over E[|W x|^2], of the calibrated rows.
struct RoundedLayer {
  std::string node = {};
  double error_before = 0.0;  // rounded to nearest
  double error_after = 0.0;
  std::size_t changed = 0;  // integers that are not the nearest
  std::size_t elements = 0;
};

struct RoundingReport {
  std::vector<RoundedLayer> layers = {};
};

/// Which mean a layer's error is taken around.
enum class MeanError {
  kCounts,     // nothing makes up for it
  kCorrected,  // correct_biases() comes after: where a layer has a bias, only what is left counts
};

/// Chooses the integers of all layers that `plan` quantizes (TensorPlan::integers), scales as they
/// are. `statistics` with second moments are of layers_to_observe(plan, model), in that order.
/// Weights that two nodes read stay rounded to nearest. Where the plan's target adds products in
/// pairs of 16 bits (plan.reductions), no pair exceeds them afterwards either. The result does not
/// depend on threads.
/// @throws Error(kInvalidArgument) when they are of other layers; Error(kCancelled).
RoundingReport adapt_rounding(QuantizationPlan& plan, const Model& model,
                              std::span<const LayerStatistics> statistics, MeanError mean_error,
                              const RoundingConfig& config = {}, std::stop_token stop = {});

Json to_json(const RoundingReport& report);

}  // namespace planish
