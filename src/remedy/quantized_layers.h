// The layers of a plan whose weights become integers, as the remedies that change a plan see them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "planish/graph/model.h"
#include "planish/optimize/layer_weight.h"
#include "planish/quantize/plan.h"
#include "planish/remedy/layer_statistics.h"
#include "planish/remedy/rounding.h"

namespace planish::remedy {

/// y = alpha * W x + beta * bias.
struct QuantizedLayer {
  std::size_t node = 0;
  std::string name = {};  // of the node
  LayerWeight weight = {};
  std::size_t weight_plan = 0;                   // index into plan.tensors
  bool owns_weight = false;                      // no other node reads it
  std::optional<QuantizationParams> input = {};  // nothing: dynamic, or float
  /// Index into plan.tensors of the tensor that has the input's parameters.
  std::optional<std::size_t> input_plan = {};
  std::string bias = {};  // the constant that only this layer has, an element per output; "" none
  double alpha = 1.0;
  double beta = 1.0;

  /// The parameters of output channel `output`.
  [[nodiscard]] const QuantizationParams& params(const QuantizationPlan& plan,
                                                 std::size_t output) const {
    const auto& all = plan.tensors[weight_plan].params;
    return all[all.size() == 1 ? 0 : output];
  }
};

/// In the order of the nodes. Layers that observe_layers() cannot look at, or whose scales are not
/// by output channel, are not among them.
std::vector<QuantizedLayer> quantized_layers(const QuantizationPlan& plan, const Model& model);

/// Those that `count` statistics are of. @throws Error(kInvalidArgument) when they are not as many.
std::vector<QuantizedLayer> layers_of_statistics(const QuantizationPlan& plan, const Model& model,
                                                 std::size_t count);

/// @throws Error(kInvalidArgument) when `statistics` were taken without second moments.
void require_second_moments(const QuantizedLayer& layer, const LayerStatistics& statistics);

/// Whether a bias will make up for the mean error of `layer`, so that only the rest of it counts.
bool is_mean_corrected(const QuantizedLayer& layer, MeanError mean_error);

/// What the weight will be in the quantized model: its integers, times scale; [M, K] by output
/// channel and term.
std::vector<float> dequantized_weight(const QuantizationPlan& plan, const QuantizedLayer& layer,
                                      const Tensor& weight);
/// The weight itself in the same order.
std::vector<float> weight_by_output(const LayerWeight& layer, const Tensor& weight);

}  // namespace planish::remedy
