// What can be done for a model that loses too much in 8 bits, before it is trained again: each
// remedy on its own switch, in the order in which they build on one another.
#pragma once

#include <cstddef>
#include <optional>
#include <stop_token>

#include "planish/base/json_fwd.h"
#include "planish/base/progress.h"
#include "planish/calibrate/calibrate.h"
#include "planish/dataset/dataset.h"
#include "planish/quantize/plan.h"
#include "planish/remedy/bias_correction.h"
#include "planish/remedy/equalize.h"
#include "planish/remedy/rounding.h"
#include "planish/remedy/smooth.h"
#include "planish/remedy/weight_clipping.h"

namespace planish {

struct RemedyConfig {
  std::optional<EqualizeConfig> equalize = {};  // for narrow channels beside wide ones
  std::optional<SmoothConfig> smooth = {};      // for outliers of activations in transformers
  std::optional<ClippingConfig> clipping = {};  // of weights, by their squared error
  std::optional<RoundingConfig> rounding = {};  // adaptive rounding of weights
  bool bias_correction = false;                 // for outputs whose mean has moved
  /// Samples whose rows second moments are taken from, and how many of each.
  ObserveLayersConfig observation = {};

  [[nodiscard]] bool any() const { return equalize || smooth || changes_plan(); }
  /// Those that come after planning.
  [[nodiscard]] bool changes_plan() const { return clipping || rounding || bias_correction; }
};

/// What gained accuracy on every model that was measured (docs/remedies.md): adaptive rounding and
/// bias correction. Equalization pays where channels are unlike each other; measure it.
RemedyConfig remedies_that_pay();

/// Fewer samples say too little about what a layer multiplies its weights with.
constexpr std::size_t kSamplesForRemedies = 32;

/// What profile best does where nobody says otherwise: remedies_that_pay() of static quantization
/// with so many samples, else none.
RemedyConfig default_remedies(const QuantizationConfig& quantization, std::size_t samples);

struct RemedyReport {
  std::optional<EqualizeReport> equalize = {};
  std::optional<SmoothReport> smooth = {};
  std::optional<ClippingReport> clipping = {};
  std::optional<RoundingReport> rounding = {};
  std::optional<BiasCorrectionReport> bias_correction = {};
};

/// A plan with its remedies, and the float model that it is for: the same function as the model
/// that was given, with other weights.
struct RemediedPlan {
  Model model = {};
  CalibrationTable table = {};  // ranges of `model`
  QuantizationPlan plan = {};   // apply(plan, model) is the quantized model
  RemedyReport report = {};
};

/// Equalizes and smooths `model` (as `prepare` leaves it), calibrates, plans, clips weights,
/// chooses integers and corrects biases: those of these steps that `config` asks for. Without any
/// it is calibrate() and plan_quantization().
/// @throws Error(kInvalidArgument) for remedies under profile onnxruntime-1.32, which knows none;
///   Error of any step; Error(kCancelled).
RemediedPlan plan_with_remedies(const Model& model, const Dataset& data,
                                const QuantizationConfig& quantization,
                                const CalibrateConfig& calibration, const RemedyConfig& config,
                                const ProgressSink& progress = {}, std::stop_token stop = {});

Json to_json(const RemedyReport& report);

}  // namespace planish
