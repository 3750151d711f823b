#include "optimize/linear.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>

#include "optimize/rewrite.h"

namespace planish::rewrite {
namespace {

const Initializer* float_constant(const GraphIndex& index, const std::string& value) {
  const Initializer* constant = index.constant(value);
  return constant != nullptr && constant->value.dtype() == DType::kFloat32 ? constant : nullptr;
}

std::size_t dim(const Tensor& tensor, std::size_t axis) {
  return static_cast<std::size_t>(tensor.dims()[axis]);
}

/// weight [M, C/group, k…], or of ConvTranspose [C, M/group, k…]; bias [M].
std::optional<Linear> convolution(const Node& node, const GraphIndex& index, const Tensor& weight) {
  const auto group = static_cast<std::size_t>(node.int_attribute("group", 1));
  if (weight.rank() < 3 || weight.element_count() == 0 || group == 0) return std::nullopt;
  Linear linear{.rank = weight.rank()};
  const std::size_t per_row = weight.element_count() / dim(weight, 0);
  if (node.is("Conv")) {
    linear.channels = dim(weight, 0);
    linear.layout = {.channels_per_group = linear.channels, .inner = per_row};
  } else {
    if (dim(weight, 0) % group != 0) return std::nullopt;
    linear.channels = dim(weight, 1) * group;
    linear.layout = {.outer_per_group = dim(weight, 0) / group,
                     .channels_per_group = dim(weight, 1),
                     .inner = per_row / dim(weight, 1)};
  }
  linear.bias.assign(linear.channels, 0.0);
  if (node.input(2).empty()) return linear;
  const Initializer* bias = float_constant(index, node.input(2));
  if (bias == nullptr || bias->value.element_count() != linear.channels) return std::nullopt;
  std::ranges::copy(bias->value.values<float>(), linear.bias.begin());
  return linear;
}

/// weight [K, N], or [N, K] of a Gemm with transB; channels are N.
std::optional<Linear> matrix(const Node& node, const GraphIndex& index, const Tensor& weight) {
  if (weight.rank() != 2 || weight.element_count() == 0) return std::nullopt;
  const bool transposed = node.is("Gemm") && node.int_attribute("transB", 0) != 0;
  Linear linear{.channels = dim(weight, transposed ? 0 : 1), .rank = 2};
  linear.layout =
      transposed
          ? WeightLayout{.channels_per_group = linear.channels, .inner = dim(weight, 1)}
          : WeightLayout{.outer_per_group = dim(weight, 0), .channels_per_group = linear.channels};
  linear.bias.assign(linear.channels, 0.0);
  if (node.is("MatMul")) {
    // With more dimensions, axis 1 is not the axis of the channels.
    const auto shape = shape_of(index, node.input(0));
    if (!shape || shape->size() != 2) return std::nullopt;
  } else if (!node.input(2).empty()) {
    auto bias = constant_by_channel(index, node.input(2), 2, linear.channels);
    if (!bias) return std::nullopt;
    const double beta = node.float_attribute("beta", 1.0F);
    for (double& value : *bias) value *= beta;
    linear.bias = std::move(*bias);
  }
  return linear;
}

std::optional<Linear> linear_node(const Graph& graph, const GraphIndex& index, std::size_t i) {
  const Node& node = graph.nodes[i];
  const Initializer* weight = float_constant(index, node.input(1));
  if (weight == nullptr) return std::nullopt;
  std::optional<Linear> linear;
  if (node.is("Conv") || node.is("ConvTranspose")) linear = convolution(node, index, weight->value);
  if (node.is("Gemm") || node.is("MatMul")) linear = matrix(node, index, weight->value);
  if (!linear) return std::nullopt;
  linear->node = i;
  linear->weight = weight->name;
  return linear;
}

/// All values as float32, or nothing when one does not fit.
std::optional<std::vector<float>> rounded(std::span<const double> values) {
  std::vector<float> result;
  result.reserve(values.size());
  for (const double value : values) {
    result.push_back(static_cast<float>(value));
    if (!std::isfinite(result.back())) return std::nullopt;
  }
  return result;
}

std::optional<Tensor> scaled_weight(const Tensor& weight, const Linear& linear,
                                    std::span<const double> scale) {
  const auto values = weight.values<float>();
  std::vector<double> products(values.size());
  for (std::size_t e = 0; e < values.size(); ++e) {
    products[e] = static_cast<double>(values[e]) * scale[linear.layout.channel_of(e)];
  }
  const auto result = rounded(products);
  if (!result) return std::nullopt;
  return Tensor::of<float>(weight.dims(), *result);
}

}  // namespace

std::string replace_constant(Graph& graph, const GraphIndex& index, NameScope& names,
                             const std::string& old, Tensor value) {
  if (index.has_single_use(old)) {
    const auto found = std::ranges::find(graph.initializers, old, &Initializer::name);
    found->value = std::move(value);
    return old;
  }
  return add_initializer(graph, names, old + "_folded", std::move(value));
}

std::optional<Linear> linear_that_makes(const Graph& graph, const GraphIndex& index,
                                        const std::string& value) {
  const auto producer = index.producer(value);
  if (!producer || !index.has_single_use(value)) return std::nullopt;
  const Node& node = graph.nodes[*producer];
  if (!node.is("Add") || node.inputs.size() != 2) return linear_node(graph, index, *producer);

  const std::size_t constant = index.constant(node.input(1)) != nullptr ? 1 : 0;
  const std::string& product = node.input(1 - constant);
  const auto before = index.producer(product);
  if (!before || !graph.nodes[*before].is("MatMul") || !index.has_single_use(product)) {
    return std::nullopt;
  }
  auto linear = linear_node(graph, index, *before);
  if (!linear) return std::nullopt;
  auto bias = constant_by_channel(index, node.input(constant), linear->rank, linear->channels);
  if (!bias) return std::nullopt;
  linear->bias = std::move(*bias);
  linear->add = *producer;
  return linear;
}

std::optional<std::vector<double>> constant_by_channel(const GraphIndex& index,
                                                       const std::string& value, std::size_t rank,
                                                       std::size_t channels) {
  const Initializer* constant = float_constant(index, value);
  if (constant == nullptr || constant->value.rank() > rank) return std::nullopt;
  const Tensor& tensor = constant->value;
  const std::size_t first_axis = rank - tensor.rank();  // broadcasting aligns the last axes
  for (std::size_t k = 0; k < tensor.rank(); ++k) {
    const bool is_channel_axis = first_axis + k == 1;
    if (dim(tensor, k) != 1 && !(is_channel_axis && dim(tensor, k) == channels))
      return std::nullopt;
  }
  const auto values = tensor.values<float>();
  if (values.size() == 1) return std::vector<double>(channels, values[0]);
  return std::vector<double>(values.begin(), values.end());
}

std::optional<bool> absorb(Graph& graph, const GraphIndex& index, NameScope& names,
                           const Linear& linear, std::size_t affine, const ChannelAffine& f) {
  std::vector<double> shifted(linear.channels);
  for (std::size_t c = 0; c < linear.channels; ++c) {
    shifted[c] = linear.bias[c] * f.scale[c] + f.shift[c];
  }
  auto weight = scaled_weight(index.constant(linear.weight)->value, linear, f.scale);
  const auto bias = rounded(shifted);
  if (!weight || !bias) return std::nullopt;

  const auto count = static_cast<std::int64_t>(linear.channels);
  Tensor new_bias = Tensor::of<float>({count}, *bias);
  Node& node = graph.nodes[linear.node];
  const std::string result = graph.nodes[affine].output(0);
  node.inputs[1] = replace_constant(graph, index, names, linear.weight, std::move(*weight));
  const bool no_bias =
      std::ranges::all_of(*bias, [](float value) { return value == 0 && !std::signbit(value); });
  const bool has_bias = node.is("MatMul") ? linear.add.has_value() : !node.input(2).empty();
  if (no_bias && !has_bias) {
    node.outputs = {result};
    return true;
  }
  if (node.is("MatMul")) {
    Node& add = graph.nodes[linear.add.value_or(affine)];
    const std::string wish = result + "_bias";
    add.inputs = {node.output(0), add_initializer(graph, names, wish, std::move(new_bias))};
    add.outputs = {result};
    add.op_type = "Add";
    add.attributes.clear();
    return linear.add.has_value();
  }
  node.inputs.resize(3);
  node.inputs[2] =
      node.inputs[2].empty()
          ? add_initializer(graph, names, node.inputs[1] + "_bias", std::move(new_bias))
          : replace_constant(graph, index, names, node.inputs[2], std::move(new_bias));
  if (node.is("Gemm")) node.remove_attribute("beta");
  node.outputs = {result};
  return true;
}

}  // namespace planish::rewrite
