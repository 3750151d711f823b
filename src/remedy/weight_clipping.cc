#include "planish/remedy/weight_clipping.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/base/parallel.h"
#include "planish/graph/graph_index.h"
#include "planish/host/host.h"
#include "remedy/quantized_layers.h"

namespace planish {
namespace {

using remedy::QuantizedLayer;

/// Power of what a weight of each term is multiplied with: [G, K].
std::vector<float> input_powers(const LayerStatistics& seen, std::size_t groups, std::size_t terms,
                                bool centred) {
  std::vector<float> powers(groups * terms);
  for (std::size_t g = 0; g < groups; ++g) {
    for (std::size_t k = 0; k < terms; ++k) {
      const double mean = seen.moment_mean[g * terms + k];
      const double square = seen.second_moment[(g * terms + k) * terms + k];
      powers[g * terms + k] =
          static_cast<float>(std::max(centred ? square - mean * mean : square, 0.0));
    }
  }
  return powers;
}

/// The weights of one scale and what they are multiplied with.
struct ScaledWeights {
  std::span<const float> weights;  // whole rows of `terms`
  std::span<const float> powers;   // of each
  float largest = 0.0F;
};

double error_of(const ScaledWeights& scaled, float scale, float most) {
  // Blocks in float, so that the loop is vectorized; their sum in double.
  constexpr std::size_t kBlock = 256;
  const float inverse = 1.0F / scale;
  double sum = 0.0;
  for (std::size_t first = 0; first < scaled.weights.size(); first += kBlock) {
    const std::size_t last = std::min(first + kBlock, scaled.weights.size());
    float block = 0.0F;
    for (std::size_t k = first; k < last; ++k) {
      const float weight = scaled.weights[k];
      const float integer = std::clamp(std::nearbyint(weight * inverse), -most, most);
      const float error = weight - scale * integer;
      block += scaled.powers[k] * error * error;
    }
    sum += static_cast<double>(block);
  }
  return sum;
}

/// What became of one scale.
struct Clipped {
  double signal = 0.0;
  double before = 0.0;
  double after = 0.0;
  float range = 0.0F;  // 0: as it was
  bool raised = false;
};

Clipped clip(const ScaledWeights& scaled, float planned, float most, const ClippingConfig& config) {
  Clipped result;
  for (std::size_t k = 0; k < scaled.weights.size(); ++k) {
    result.signal += static_cast<double>(scaled.powers[k]) *
                     static_cast<double>(scaled.weights[k]) *
                     static_cast<double>(scaled.weights[k]);
  }
  result.before = result.after = error_of(scaled, planned, most);
  // Two roundings to float32 lie between the largest weight and the scale.
  result.raised = planned > scaled.largest / most * (1.0F + 0x1p-20F);
  if (result.raised || scaled.largest <= 0.0F) return result;
  for (std::size_t step = 1; step <= config.steps; ++step) {
    const double share =
        1.0 - (1.0 - config.least) * static_cast<double>(step) / static_cast<double>(config.steps);
    const float range = static_cast<float>(share * static_cast<double>(scaled.largest));
    const double error = error_of(scaled, range / most, most);
    if (!(error < result.after)) continue;
    result.after = error;
    result.range = range;
  }
  return result;
}

/// One layer: its scales by themselves.
class LayerClipping {
 public:
  LayerClipping(const QuantizationPlan& plan, const QuantizedLayer& layer, const Tensor& weight,
                const LayerStatistics& seen, bool centred)
      : tensor_(plan.tensors[layer.weight_plan]), layer_(layer) {
    weights_ = remedy::weight_by_output(layer.weight, weight);
    const std::size_t terms = layer.weight.terms();
    const auto by_group = input_powers(seen, layer.weight.groups, terms, centred);
    const std::size_t per_group = layer.weight.output_channels / layer.weight.groups;
    powers_.resize(weights_.size());
    for (std::size_t m = 0; m < layer.weight.output_channels; ++m) {
      std::copy_n(&by_group[m / per_group * terms], terms, &powers_[m * terms]);
    }
    most_ = static_cast<float>(
        integer_limits(tensor_.dtype, Symmetry::kSymmetric,
                       plan.config.reduce_range ? IntegerRange::kReduced : IntegerRange::kFull)
            .max);
  }

  ClippedLayer run(const ClippingConfig& config, std::size_t threads, TensorOverrides& overrides,
                   const std::stop_token& stop) const {
    const std::size_t width = weights_.size() / tensor_.params.size();
    std::vector<Clipped> clipped(tensor_.params.size());
    parallel_for(
        clipped.size(), threads,
        [&](std::size_t i) {
          ScaledWeights scaled{.weights = std::span(weights_).subspan(i * width, width),
                               .powers = std::span(powers_).subspan(i * width, width)};
          for (const float weight : scaled.weights)
            scaled.largest = std::max(scaled.largest, std::abs(weight));
          clipped[i] = clip(scaled, tensor_.params[i].scale, most_, config);
        },
        stop);
    return report(clipped, overrides);
  }

 private:
  ClippedLayer report(const std::vector<Clipped>& clipped, TensorOverrides& overrides) const {
    ClippedLayer report{.node = layer_.name, .scales = clipped.size()};
    TensorOverride ranges;
    if (tensor_.axis) ranges.axis = static_cast<std::int64_t>(*tensor_.axis);
    Clipped sum;
    for (const Clipped& one : clipped) {
      sum.signal += one.signal;
      sum.before += one.before;
      sum.after += one.after;
      report.raised += one.raised ? 1 : 0;
      ranges.params.emplace_back();
      if (one.range <= 0.0F) continue;
      ranges.params.back().min = -one.range;
      ranges.params.back().max = one.range;
      ++report.clipped;
    }
    if (sum.signal > 0.0) {
      report.error_before = sum.before / sum.signal;
      report.error_after = sum.after / sum.signal;
    }
    if (report.clipped > 0) overrides.insert_or_assign(layer_.weight.name, std::move(ranges));
    return report;
  }

  const TensorPlan& tensor_;
  const QuantizedLayer& layer_;
  std::vector<float> weights_;  // [M, K]
  std::vector<float> powers_;   // [M, K]
  float most_ = 127.0F;
};

bool is_clippable(const QuantizationPlan& plan, const QuantizedLayer& layer) {
  const TensorPlan& tensor = plan.tensors[layer.weight_plan];
  const bool is_centred = std::ranges::all_of(
      tensor.params, [](const QuantizationParams& params) { return params.zero_point == 0; });
  return layer.owns_weight && tensor.dtype == DType::kInt8 && is_centred &&
         !plan.config.tensor_overrides.contains(layer.weight.name);
}

}  // namespace

ClippedWeights clip_weights(const QuantizationPlan& plan, const Model& model,
                            std::span<const LayerStatistics> statistics, MeanError mean_error,
                            const ClippingConfig& config, std::stop_token stop) {
  const auto layers = remedy::layers_of_statistics(plan, model, statistics.size());
  const auto threads = threads_or_usable(config.threads);
  const GraphIndex index(model.graph);
  ClippedWeights result;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const QuantizedLayer& layer = layers[i];
    if (!is_clippable(plan, layer) || statistics[i].moment_rows == 0) continue;
    remedy::require_second_moments(layer, statistics[i]);
    const LayerClipping clipping(plan, layer, index.constant(layer.weight.name)->value,
                                 statistics[i], remedy::is_mean_corrected(layer, mean_error));
    result.report.layers.push_back(clipping.run(config, threads, result.overrides, stop));
  }
  return result;
}

Json to_json(const ClippingReport& report) {
  Json layers = Json::array();
  for (const ClippedLayer& layer : report.layers) {
    layers.push_back(Json{{"node", layer.node},
                          {"error_before", layer.error_before},
                          {"error_after", layer.error_after},
                          {"clipped", layer.clipped},
                          {"raised", layer.raised},
                          {"scales", layer.scales}});
  }
  return layers;
}

}  // namespace planish
