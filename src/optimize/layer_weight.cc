#include "planish/optimize/layer_weight.h"

namespace planish {
namespace {

std::optional<LayerWeight> of_convolution(const Node& node, const Tensor& weight) {
  const std::int64_t groups = node.int_attribute("group", 1);
  if (weight.rank() < 3 || groups < 1 || weight.dims()[0] % groups != 0) return std::nullopt;
  LayerWeight layer{.groups = static_cast<std::size_t>(groups)};
  layer.output_channels = static_cast<std::size_t>(weight.dims()[0]);
  layer.input_channels = static_cast<std::size_t>(weight.dims()[1]) * layer.groups;
  layer.kernel =
      weight.element_count() / (layer.output_channels * (layer.input_channels / layer.groups));
  return layer;
}

std::optional<LayerWeight> of_matrix(const Node& node, const Tensor& weight) {
  if (weight.rank() != 2 || node.int_attribute("transA", 0) != 0) return std::nullopt;
  const bool transposed = node.int_attribute("transB", 0) != 0;
  LayerWeight layer{.input_channel_first = !transposed};
  layer.input_channels = static_cast<std::size_t>(weight.dims()[transposed ? 1 : 0]);
  layer.output_channels = static_cast<std::size_t>(weight.dims()[transposed ? 0 : 1]);
  return layer;
}

}  // namespace

std::optional<LayerWeight> layer_weight_of(const Node& node, const GraphIndex& index) {
  const bool is_convolution = node.is("Conv");
  if (!is_convolution && !node.is("Gemm") && !node.is("MatMul")) return std::nullopt;
  const Initializer* weight = index.constant(node.input(1));
  if (weight == nullptr || weight->value.dtype() != DType::kFloat32 ||
      weight->value.element_count() == 0) {
    return std::nullopt;
  }
  auto layer =
      is_convolution ? of_convolution(node, weight->value) : of_matrix(node, weight->value);
  if (layer) layer->name = weight->name;
  return layer;
}

}  // namespace planish
