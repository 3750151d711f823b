// What the layers of a model multiply their weights with, on the user's samples: the statistics
// that bias correction, weight clipping and adaptive rounding work from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "planish/base/progress.h"
#include "planish/dataset/dataset.h"
#include "planish/graph/model.h"
#include "planish/quantize/params.h"
#include "planish/quantize/plan.h"
#include "planish/remedy/channel_statistics.h"

namespace planish {

/// A layer to be observed: Conv of one or two spatial axes, Gemm or MatMul, with a constant weight.
struct LayerToObserve {
  std::size_t node = 0;
  /// Of its input, whose integers it will read; nothing when it reads floats.
  std::optional<QuantizationParams> input = {};
};

/// Moments of the rows that a layer multiplies: a row holds the K = LayerWeight::terms() elements
/// under the kernel at one output position, zeros where it reaches into the padding. By group of
/// channels: G = LayerWeight::groups.
struct LayerStatistics {
  std::uint64_t rows = 0;
  std::vector<double> mean = {};            // [G, K] of the rows in float
  std::vector<double> quantized_mean = {};  // [G, K] of the same rows as integers hold them
  /// When asked for, of `moment_rows` of the quantized rows: the mean [G, K] and the mean product
  /// of two elements [G, K, K].
  std::uint64_t moment_rows = 0;
  std::vector<double> moment_mean = {};
  std::vector<float> second_moment = {};
};

struct ObserveLayersConfig {
  ObserveConfig run = {};
  bool second_moments = false;
  /// Rows per sample that go into second moments, evenly spread over its output positions: the
  /// cost of a sample is rows * K^2 / 2 products.
  std::size_t rows_per_sample = 128;
  /// Second moments take 4 G K^2 bytes: layers are observed in as many passes over the data as
  /// this allows.
  std::size_t max_bytes = std::size_t{512} << 20;
};

/// The layers whose weights `plan` quantizes, in the order of the nodes: what correct_biases() and
/// adapt_rounding() want statistics of. A convolution of three spatial axes is not among them.
std::vector<LayerToObserve> layers_to_observe(const QuantizationPlan& plan, const Model& model);

/// Runs every sample of `data` through the float model. One result per layer, in their order; it
/// does not depend on threads. Sums are taken in the order of the samples.
/// @throws Error as observe_channels; Error(kInvalidArgument) for a node that is no such layer.
std::vector<LayerStatistics> observe_layers(const Model& model, const Dataset& data,
                                            std::span<const LayerToObserve> layers,
                                            const ObserveLayersConfig& config = {},
                                            const ProgressSink& progress = {},
                                            std::stop_token stop = {});

}  // namespace planish
