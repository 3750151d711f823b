// The noise that quantizing a set of tied channels puts into the layers behind it, predicted from
// ranges, second moments and weights: what equalization makes least.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "planish/graph/graph_index.h"
#include "planish/optimize/layer_weight.h"
#include "planish/quantize/config.h"
#include "planish/remedy/channel_statistics.h"

namespace planish::remedy {

/// A layer behind the set: what each input channel weighs in each output channel.
struct LayerBehind {
  std::size_t outputs = 0;
  std::size_t groups = 1;
  std::size_t width = 0;                 // input channels of one group
  std::size_t kernel = 1;                // products per input channel and output
  std::vector<double> energy = {};       // [outputs, width]: sum of squared weights
  std::vector<double> peak = {};         // [outputs, width]: largest magnitude
  std::vector<double> mean_square = {};  // [channels] of the value that it reads
  std::vector<double> power = {};        // [outputs]: sum of energy * mean_square
  /// How much of the noise of NoiseModel::values[i] it reads: 1, 0 for a value that does not lead
  /// to it, less behind an average.
  std::vector<double> shares = {};

  [[nodiscard]] std::size_t first_channel(std::size_t output) const {
    return output / (outputs / groups) * width;
  }
};
LayerBehind layer_behind(const LayerWeight& layer, std::span<const float> weights,
                         std::span<const double> mean_square);

/// A layer before the set, as far as one scale for its whole weight lets its rows disturb each
/// other.
struct LayerBefore {
  std::vector<double> peak = {};  // [channels]: largest magnitude of the row
  double input_power = 0.0;       // sum over the products of one output of E[x^2]
};
LayerBefore layer_before(const LayerWeight& layer, std::span<const float> weights,
                         std::span<const double> output_mean_square);

/// What the prediction looks at. Factors divide the values, as in scale_channels().
struct NoiseModel {
  double activation_steps = 255.0;  // integers of an activation, less one
  double weight_steps = 254.0;
  bool symmetric_activations = false;
  Granularity weights = Granularity::kPerChannel;
  std::vector<const ChannelStatistics*> values = {};  // those that get integers of their own
  std::vector<LayerBefore> before = {};               // with one scale per weight only
  std::vector<LayerBehind> behind = {};

  /// Power of the noise at the outputs of the layers behind, each output relative to its own power,
  /// the mean of a layer's outputs and the sum over layers.
  ///
  /// Three parts: rounding of values and of weights, uniform and so of power step^2 / 12; and what
  /// samples that were not seen are cut off of, since the range ends where the widest channel of
  /// the calibration data does. A sample's extreme is taken to have an exponential tail.
  [[nodiscard]] double noise(std::span<const double> factors) const;

 private:
  struct ValueNoise {
    double rounding = 0.0;              // of every channel, divided by its factor
    std::vector<double> clipping = {};  // by channel, as the value was before division
  };
  [[nodiscard]] std::vector<ValueNoise> value_noise(std::span<const double> factors) const;
  [[nodiscard]] double rounding_before(std::span<const double> factors) const;
  [[nodiscard]] double layer_noise(const LayerBehind& layer, std::span<const double> factors,
                                   std::span<const double> of_channel) const;
};

/// What a channel may reach on as many samples again, above 0 and below 0: at least what it did.
double likely_reach(const ChannelStatistics& seen, std::size_t channel);

NoiseModel noise_model(const QuantizationConfig& config);

}  // namespace planish::remedy
