// Weight clipping: a weight's scale need not reach its largest element. Cutting off a few makes
// the steps of all others finer.
#pragma once

#include <cstddef>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/graph/model.h"
#include "planish/quantize/plan.h"
#include "planish/quantize/tensor_overrides.h"
#include "planish/remedy/layer_statistics.h"
#include "planish/remedy/rounding.h"

namespace planish {

struct ClippingConfig {
  double least = 0.4;      // of a channel's largest weight: where the search ends
  std::size_t steps = 60;  // scales that are tried, evenly spaced from 1 down to it
  int threads = 0;         // 0: usable_cores()
};

/// sum over k of E[x_k^2] (w_k - w'_k)^2, of all channels, relative to sum of E[x_k^2] w_k^2.
struct ClippedLayer {
  std::string node = {};
  double error_before = 0.0;  // at the scale that reaches the largest weight
  double error_after = 0.0;
  std::size_t clipped = 0;  // scales
  std::size_t scales = 0;
  std::size_t raised = 0;  // scales that the target or the bias has raised already: left alone
};

struct ClippingReport {
  std::vector<ClippedLayer> layers = {};
};

struct ClippedWeights {
  /// Ranges of the weights that are clipped. Plan again with them among
  /// QuantizationConfig::tensor_overrides, so that biases and the target's rules follow.
  TensorOverrides overrides = {};
  ClippingReport report = {};
};

/// Chooses, for each scale of every int8 weight that `plan` quantizes, the range of least squared
/// error, weighted by what the weights are multiplied with: E[x^2] by input, or its variance where
/// `mean_error` says that a bias makes up for the mean. Correlations of inputs do not count.
///
/// Scales that were raised above their largest weight (a target whose pair sums saturate, a bias
/// that needs room) stay: clipping lowers what those rules raise. So do tensors that the user set.
/// `statistics` with second moments are of layers_to_observe(plan, model), in that order.
/// @throws Error(kInvalidArgument) when they are of other layers; Error(kCancelled).
ClippedWeights clip_weights(const QuantizationPlan& plan, const Model& model,
                            std::span<const LayerStatistics> statistics, MeanError mean_error,
                            const ClippingConfig& config = {}, std::stop_token stop = {});

Json to_json(const ClippingReport& report);

}  // namespace planish
