#include "planish/remedy/remedies.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/base/parallel.h"
#include "planish/graph/graph_index.h"
#include "planish/optimize/layer_weight.h"

namespace planish {
namespace {

class Remedying {
 public:
  Remedying(const Dataset& data, const QuantizationConfig& quantization,
            const CalibrateConfig& calibration, const RemedyConfig& config,
            const ProgressSink& progress, const std::stop_token& stop)
      : data_(data),
        quantization_(quantization),
        calibration_(calibration),
        config_(config),
        progress_(progress),
        stop_(stop) {}

  RemediedPlan run(const Model& model) {
    result_.model = model;
    if (config_.equalize) equalize_channels();
    if (config_.smooth) smooth_inputs();
    // A bias costs a matrix product of dynamic mode an addition of its own.
    const bool is_static = quantization_.mode == QuantizationMode::kStatic;
    if (config_.bias_correction && is_static) result_.model = with_own_biases(result_.model);
    if (is_static) {
      result_.table =
          calibrate(result_.model, data_, calibration_targets(result_.model, quantization_),
                    calibration_, progress_, stop_)
              .table;
    }
    result_.plan = plan_quantization(result_.model, result_.table, quantization_);
    if (config_.changes_plan()) change_plan();
    return std::move(result_);
  }

 private:
  [[nodiscard]] ObserveConfig observe_config() const {
    return {.on_bad_sample = calibration_.on_bad_sample, .threads = calibration_.threads};
  }

  void equalize_channels() {
    const auto targets = equalization_targets(result_.model);
    const auto statistics =
        observe_channels(result_.model, data_, targets, observe_config(), progress_, stop_);
    Equalized equalized = equalize(result_.model, statistics, quantization_, *config_.equalize);
    result_.model = std::move(equalized.model);
    result_.report.equalize = std::move(equalized.report);
  }

  void smooth_inputs() {
    const auto targets = smoothing_targets(result_.model, *config_.smooth);
    const auto statistics =
        observe_channels(result_.model, data_, targets, observe_config(), progress_, stop_);
    Smoothed smoothed = smooth(result_.model, statistics, quantization_, *config_.smooth);
    result_.model = std::move(smoothed.model);
    result_.report.smooth = std::move(smoothed.report);
  }

  /// Inputs keep their parameters, so what was observed of them still holds.
  void clip(std::span<const LayerStatistics> statistics, MeanError mean_error) {
    ClippedWeights clipped =
        clip_weights(result_.plan, result_.model, statistics, mean_error, *config_.clipping, stop_);
    result_.report.clipping = std::move(clipped.report);
    if (clipped.overrides.empty()) return;
    QuantizationConfig quantization = quantization_;
    quantization.tensor_overrides.merge(clipped.overrides);
    result_.plan = plan_quantization(result_.model, result_.table, quantization);
  }

  /// Second moments take the most memory by far. So layers are rounded as soon as theirs are there,
  /// those of one pass over the data at a time; only clipping, after which is planned again, needs
  /// all at once.
  void change_plan() {
    ObserveLayersConfig observation = config_.observation;
    observation.run = observe_config();
    observation.second_moments = config_.rounding || config_.clipping;
    const auto layers = layers_to_observe(result_.plan, result_.model);
    const bool in_passes = config_.rounding && !config_.clipping;
    std::vector<LayerStatistics> statistics(layers.size());
    if (config_.clipping) result_.report.clipping.emplace();
    if (config_.rounding) result_.report.rounding.emplace();
    for (std::size_t first = 0; first < layers.size();) {
      const std::size_t last = in_passes ? end_of_pass(layers, first) : layers.size();
      const auto of_pass = std::span(layers).subspan(first, last - first);
      auto seen = observe_layers(result_.model, data_, of_pass, observation, progress_, stop_);
      std::ranges::move(seen, statistics.begin() + static_cast<std::ptrdiff_t>(first));
      throw_if_stopped(stop_);
      use_moments(statistics);
      for (std::size_t i = first; i < last; ++i) {
        statistics[i].moment_rows = 0;
        statistics[i].second_moment = {};
      }
      first = last;
    }
    if (config_.bias_correction) {
      result_.report.bias_correction = correct_biases(result_.plan, result_.model, statistics);
    }
  }

  /// As many layers as config_.observation.max_bytes allows; one at least.
  [[nodiscard]] std::size_t end_of_pass(std::span<const LayerToObserve> layers,
                                        std::size_t first) const {
    const GraphIndex index(result_.model.graph);
    std::size_t bytes = 0;
    std::size_t last = first;
    while (last < layers.size()) {
      const LayerWeight layer =
          *layer_weight_of(result_.model.graph.nodes[layers[last].node], index);
      bytes += layer.groups * layer.terms() * layer.terms() * sizeof(float);
      if (last > first && bytes > config_.observation.max_bytes) break;
      ++last;
    }
    return last;
  }

  /// Layers whose statistics hold no moments now are left as they are.
  void use_moments(std::span<const LayerStatistics> statistics) {
    const MeanError mean_error =
        config_.bias_correction ? MeanError::kCorrected : MeanError::kCounts;
    if (config_.clipping) clip(statistics, mean_error);
    if (!config_.rounding) return;
    RoundingReport rounded = adapt_rounding(result_.plan, result_.model, statistics, mean_error,
                                            *config_.rounding, stop_);
    std::ranges::move(rounded.layers, std::back_inserter(result_.report.rounding->layers));
  }

  const Dataset& data_;
  const QuantizationConfig& quantization_;
  const CalibrateConfig& calibration_;
  const RemedyConfig& config_;
  const ProgressSink& progress_;
  const std::stop_token& stop_;
  RemediedPlan result_;
};

}  // namespace

RemedyConfig remedies_that_pay() {
  RemedyConfig config;
  config.rounding = RoundingConfig{};
  config.bias_correction = true;
  return config;
}

RemedyConfig default_remedies(const QuantizationConfig& quantization, std::size_t samples) {
  const bool applies = quantization.profile == QuantizationProfile::kBest &&
                       quantization.mode == QuantizationMode::kStatic &&
                       samples >= kSamplesForRemedies;
  return applies ? remedies_that_pay() : RemedyConfig{};
}

RemediedPlan plan_with_remedies(const Model& model, const Dataset& data,
                                const QuantizationConfig& quantization,
                                const CalibrateConfig& calibration, const RemedyConfig& config,
                                const ProgressSink& progress, std::stop_token stop) {
  if (config.any() && quantization.profile == QuantizationProfile::kOnnxRuntime132) {
    throw Error(ErrorCode::kInvalidArgument,
                "remedies (equalization, smoothing, weight clipping, adaptive rounding, bias "
                "correction) with profile "
                "onnxruntime-1.32, which has none; use profile best");
  }
  return Remedying(data, quantization, calibration, config, progress, stop).run(model);
}

Json to_json(const RemedyReport& report) {
  Json json = Json::object();
  if (report.equalize) json["equalize"] = to_json(*report.equalize);
  if (report.smooth) json["smooth"] = to_json(*report.smooth);
  if (report.clipping) json["clipping"] = to_json(*report.clipping);
  if (report.rounding) json["rounding"] = to_json(*report.rounding);
  if (report.bias_correction) json["bias_correction"] = to_json(*report.bias_correction);
  return json;
}

}  // namespace planish
