#include "remedy/equalization_noise.h"

#include <algorithm>
#include <cmath>

#include "planish/quantize/params.h"

namespace planish::remedy {
namespace {

double squared(double x) { return x * x; }

double steps_of(IntegerLimits limits) { return limits.max - limits.min; }

/// P(extreme > x) = exp(-(x - start) / scale) above `start`: the upper tail of a Gumbel
/// distribution of the same mean and deviation.
struct Tail {
  double start = 0.0;
  double scale = 0.0;

  /// E[max(extreme - limit, 0)^2].
  [[nodiscard]] double beyond(double limit) const {
    if (scale <= 0.0) return squared(std::max(start - limit, 0.0));
    return 2.0 * scale * scale * std::exp(std::min(0.0, -(limit - start) / scale));
  }
};

/// sign -1: of what lies below 0, as magnitudes.
Tail tail_of(const ExtremeStatistics& extreme, double sign) {
  constexpr double kScale = 0.77969680123368;  // sqrt(6) / pi
  constexpr double kEuler = 0.57721566490153;
  const double scale = extreme.deviation * kScale;
  return {extreme.mean * sign - kEuler * scale, scale};
}

}  // namespace

LayerBehind layer_behind(const LayerWeight& layer, std::span<const float> weights,
                         std::span<const double> mean_square) {
  LayerBehind behind{.outputs = layer.output_channels,
                     .groups = layer.groups,
                     .width = layer.input_channels / layer.groups,
                     .kernel = layer.kernel};
  behind.energy.assign(behind.outputs * behind.width, 0.0);
  behind.peak.assign(behind.outputs * behind.width, 0.0);
  behind.power.assign(behind.outputs, 0.0);
  behind.mean_square.assign(mean_square.begin(), mean_square.end());
  for (std::size_t m = 0; m < behind.outputs; ++m) {
    for (std::size_t t = 0; t < layer.terms(); ++t) {
      const double w = weights[layer.element(m, t)];
      const std::size_t place = m * behind.width + t / layer.kernel;
      behind.energy[place] += w * w;
      behind.peak[place] = std::max(behind.peak[place], std::abs(w));
      behind.power[m] += w * w * mean_square[layer.input_channel(m, t)];
    }
  }
  return behind;
}

LayerBefore layer_before(const LayerWeight& layer, std::span<const float> weights,
                         std::span<const double> output_mean_square) {
  LayerBefore before;
  before.peak.assign(layer.output_channels, 0.0);
  double energy = 0.0;
  double power = 0.0;
  for (std::size_t m = 0; m < layer.output_channels; ++m) {
    for (std::size_t t = 0; t < layer.terms(); ++t) {
      const double w = weights[layer.element(m, t)];
      before.peak[m] = std::max(before.peak[m], std::abs(w));
      energy += w * w;
    }
    power += output_mean_square[m];
  }
  // y = w x: E[y^2] = |w|^2 E[x^2] for products that do not depend on each other.
  if (energy > 0.0) before.input_power = static_cast<double>(layer.terms()) * power / energy;
  return before;
}

NoiseModel noise_model(const QuantizationConfig& config) {
  NoiseModel model;
  model.symmetric_activations = config.symmetric_activations;
  model.weights = config.weights;
  model.activation_steps = steps_of(integer_limits(config.activation, config.symmetric_activations
                                                                          ? Symmetry::kSymmetric
                                                                          : Symmetry::kAsymmetric));
  model.weight_steps =
      steps_of(integer_limits(config.weight, Symmetry::kSymmetric,
                              config.reduce_range ? IntegerRange::kReduced : IntegerRange::kFull));
  return model;
}

double likely_reach(const ChannelStatistics& seen, std::size_t channel) {
  const auto reach = [&](double extreme, const ExtremeStatistics& of, double sign) {
    if (extreme * sign <= 0.0) return 0.0;
    const Tail tail = tail_of(of, sign);
    // The greatest of N exponential tails lies about ln N + 0.6 scales up.
    return std::max(extreme * sign,
                    tail.start + tail.scale * (std::log(static_cast<double>(seen.samples)) + 0.6));
  };
  return std::max(reach(seen.max[channel], seen.greatest[channel], 1.0),
                  reach(seen.min[channel], seen.least[channel], -1.0));
}

std::vector<NoiseModel::ValueNoise> NoiseModel::value_noise(std::span<const double> factors) const {
  std::vector<ValueNoise> result;
  for (const ChannelStatistics* value : values) {
    double low = 0.0;
    double high = 0.0;
    for (std::size_t c = 0; c < factors.size(); ++c) {
      low = std::min(low, value->min[c] / factors[c]);
      high = std::max(high, value->max[c] / factors[c]);
    }
    if (symmetric_activations) low = -(high = std::max(-low, high));
    ValueNoise noise{.rounding = squared((high - low) / activation_steps) / 12.0};
    for (std::size_t c = 0; c < factors.size(); ++c) {
      double clipped = 0.0;
      if (high > 0.0) clipped += tail_of(value->greatest[c], 1.0).beyond(high * factors[c]);
      if (low < 0.0) clipped += tail_of(value->least[c], -1.0).beyond(-low * factors[c]);
      noise.clipping.push_back(clipped / std::max(value->elements, 1.0));
    }
    result.push_back(std::move(noise));
  }
  return result;
}

double NoiseModel::rounding_before(std::span<const double> factors) const {
  double noise = 0.0;
  for (const LayerBefore& layer : before) {
    double peak = 0.0;
    for (std::size_t c = 0; c < factors.size(); ++c) {
      peak = std::max(peak, layer.peak[c] / factors[c]);
    }
    noise += squared(2.0 * peak / weight_steps) / 12.0 * layer.input_power;
  }
  return noise;
}

double NoiseModel::noise(std::span<const double> factors) const {
  const std::vector<ValueNoise> of_values = value_noise(factors);
  const double of_rows = rounding_before(factors);
  double total = 0.0;
  for (const LayerBehind& layer : behind) {
    // By channel, of what the layer reads before the values were divided.
    std::vector<double> of_channel(factors.size(), 0.0);
    for (std::size_t c = 0; c < factors.size(); ++c) {
      double rounding = of_rows;
      for (std::size_t v = 0; v < of_values.size(); ++v) {
        rounding += layer.shares[v] * of_values[v].rounding;
        of_channel[c] += layer.shares[v] * of_values[v].clipping[c];
      }
      of_channel[c] += rounding * squared(factors[c]);
    }
    total += layer_noise(layer, factors, of_channel);
  }
  return total;
}

double NoiseModel::layer_noise(const LayerBehind& layer, std::span<const double> factors,
                               std::span<const double> of_channel) const {
  std::vector<double> peak(layer.outputs, 0.0);
  std::vector<double> noise(layer.outputs, 0.0);   // from the value
  std::vector<double> signal(layer.outputs, 0.0);  // that rounding of the weights multiplies
  for (std::size_t m = 0; m < layer.outputs; ++m) {
    const std::size_t first = layer.first_channel(m);
    for (std::size_t k = 0; k < layer.width; ++k) {
      const double factor = factors[first + k];
      const std::size_t place = m * layer.width + k;
      peak[m] = std::max(peak[m], layer.peak[place] * factor);
      noise[m] += layer.energy[place] * of_channel[first + k];
      signal[m] +=
          static_cast<double>(layer.kernel) * layer.mean_square[first + k] / squared(factor);
    }
  }
  const double widest = *std::ranges::max_element(peak);
  double sum = 0.0;
  std::size_t live = 0;
  for (std::size_t m = 0; m < layer.outputs; ++m) {
    if (layer.power[m] <= 0.0) continue;
    const double reach = weights == Granularity::kPerChannel ? peak[m] : widest;
    const double of_weight = squared(2.0 * reach / weight_steps) / 12.0;
    sum += (noise[m] + of_weight * signal[m]) / layer.power[m];
    ++live;
  }
  return live == 0 ? 0.0 : sum / static_cast<double>(live);
}

}  // namespace planish::remedy
