// What each layer of a model loses in 8 bits, and what that does to the model's output.
//
// A change of one layer changes nothing before it. So the values before it are computed once and
// shared: what is run for a layer is the model from that layer on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/base/progress.h"
#include "planish/dataset/dataset.h"
#include "planish/graph/model.h"
#include "planish/quantize/calibration_table.h"
#include "planish/quantize/plan.h"
#include "planish/sensitivity/layers.h"

namespace planish {

/// How far the judged output is from FP32's, over the samples.
struct OutputEffect {
  /// sum (reference - candidate)^2 / sum reference^2; 0 when nothing differs. The noise of
  /// independent layers adds up.
  double relative_noise = 0.0;
  double cosine_mean = 1.0;
  double cosine_min = 1.0;
  /// Of an output [N, classes]: mean divergence (nats) of the candidate's class distribution from
  /// FP32's, and the share of rows with the same first class.
  std::optional<double> kl_divergence = {};
  std::optional<double> top1_agreement = {};
  std::optional<double> top1 = {};  // accuracy on the samples that have a label

  friend bool operator==(const OutputEffect&, const OutputEffect&) = default;
};

/// A quantized activation of a layer, on the calibration data.
struct LayerActivation {
  std::string tensor = {};
  TensorRange range = {};                      // that integers hold
  std::optional<TensorObservation> seen = {};  // clip rate, extremes and histogram
};

struct LayerSensitivity {
  PrecisionLayer layer = {};
  double mac_share = 0.0;  // of the model's multiply-accumulates
  /// Of the time of all nodes, as ONNX Runtime's profiler sees them in the whole model.
  std::optional<double> fp32_time_share = {};
  std::optional<double> int8_time_share = {};
  std::optional<LayerActivation> input = {};  // nothing when it is not quantized
  std::optional<LayerActivation> output = {};
  std::optional<RangeReduction> saturation = {};  // sums that could saturate on the target

  /// Relative noise of the layer's own output: on the inputs of the float model (its own loss), and
  /// in the INT8 model (that of all layers before besides).
  std::optional<double> local_noise = {};
  std::optional<double> accumulated_noise = {};
  std::optional<OutputEffect> only_int8 = {};  // all other layers in FP32
  std::optional<OutputEffect> only_fp32 = {};  // all other layers in INT8
  std::string not_measured_because = {};       // the runtime refused a model that was to be run
};

/// What an analysis costs, in runs of the FP32 model (a run of the last half of it counts half).
struct SensitivityCost {
  std::size_t layers = 0;  // that are still to be measured
  std::size_t samples = 0;
  std::size_t passes = 0;  // over the samples, for the values that layers share
  double inferences = 0.0;
  double seconds = 0.0;  // estimated from one run, on config.threads cores
};

struct SensitivityConfig {
  std::size_t samples = 32;  // spread evenly over the data set; more than it has: all
  /// Fewer samples are taken when the analysis would cost more FP32 runs than this; 0: no limit.
  double max_inferences = 0.0;
  /// But not fewer than these, if half as much again pays for them.
  std::size_t min_samples = 4;
  std::string output = {};  // the output that is judged; empty: the first
  OnBadSample on_bad_sample = OnBadSample::kFail;
  bool only_fp32 = true;  // also measure LayerSensitivity::only_fp32: twice the cost
  bool profile = true;    // also measure the shares of time
  int threads = 0;        // layers and samples side by side; 0: usable_cores()
  /// For values that layers share; what does not fit is computed again.
  std::size_t max_bytes = std::size_t{512} << 20;
  /// Results of single layers are written here as they come, and read back when they are of the
  /// same model, plan and samples: an analysis that was interrupted goes on where it was.
  std::optional<std::filesystem::path> partial_results = {};
  /// Told before the long part of the work begins.
  std::function<void(const SensitivityCost&)> on_cost = {};
};

struct SensitivityReport {
  std::string model_sha256 = {};
  std::string output = {};  // that is judged
  std::size_t samples = 0;
  std::size_t labelled_samples = 0;
  SensitivityCost cost = {};             // as estimated
  double seconds = 0.0;                  // that it took
  std::size_t resumed = 0;               // layers that were read from partial results
  std::optional<double> fp32_top1 = {};  // of the float model on labelled samples
  double fp32_ms = 0.0;    // sum of all nodes' times in one run of the float model, and of the INT8
  double int8_ms = 0.0;    // one; 0 when not profiled
  OutputEffect int8 = {};  // of the whole plan
  std::vector<LayerSensitivity> layers = {};  // in model order
};

/// Measures every layer that `plan` quantizes. `model` is the float model that the plan was made
/// for
/// (`prepare` leaves the types of its values in it), `table` its ranges.
///
/// "Only FP32" takes the values before the layer from the whole INT8 model; a plan without the
/// layer may treat them otherwise (a product that then need not write integers), which is left out.
/// The result does not depend on threads.
/// @throws Error(kInvalidArgument): no sample, a plan of another model or of format QOperator (its
///   integers are those of QDQ: plan that), an unknown output; what reading and running throw;
///   Error(kCancelled), with what was measured in config.partial_results.
SensitivityReport analyze_sensitivity(const Model& model, const CalibrationTable& table,
                                      const QuantizationPlan& plan, const Dataset& data,
                                      const Labels* labels, const SensitivityConfig& config = {},
                                      const ProgressSink& progress = {}, std::stop_token stop = {});

/// 10 log10(1 / relative noise); +infinity without noise.
double sqnr_db(double relative_noise);

/// Indices of `report.layers`, those first whose noise at the output is greatest.
std::vector<std::size_t> most_sensitive_first(const SensitivityReport& report);

Json to_json(const LayerSensitivity& layer);
Json to_json(const SensitivityReport& report);

}  // namespace planish
