#include "planish/inspect/work_split.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "planish/inspect/inspect.h"
#include "planish/runtime/value_types.h"

namespace planish {
namespace {

/// The model with its inputs as large as `inputs` are. Types between are inferred anew: those that
/// were declared with symbols would contradict the numbers.
Model with_shapes_of(const Model& model, std::span<const NamedTensor> inputs) {
  Model copy = model;  // tensors are shared, not copied
  for (ValueInfo& input : copy.graph.inputs) {
    auto* tensor = std::get_if<TensorType>(&input.type.type);
    const auto given = std::ranges::find(inputs, input.name, &NamedTensor::name);
    if (tensor == nullptr || given == inputs.end()) continue;
    Shape shape;
    for (const std::int64_t dim : given->value.dims()) shape.emplace_back(dim);
    tensor->shape = std::move(shape);
  }
  for (ValueInfo& output : copy.graph.outputs) output.type = {};
  copy.graph.values.clear();
  return copy;
}

/// Operators that take integers as they are.
bool has_integer_kernel(const Node& node) {
  constexpr std::string_view kTypes[] = {
      "QLinearConv", "QLinearMatMul",        "ConvInteger",          "MatMulInteger",
      "QGemm",       "MatMulIntegerToFloat", "DynamicQuantizeMatMul"};
  return std::ranges::find(kTypes, node.op_type) != std::end(kTypes);
}

}  // namespace

WorkSplit work_split(const Model& model, std::span<const NamedTensor> inputs) {
  const Model sized = with_shapes_of(model, inputs);
  const ValueTypes types = infer_value_types(sized);
  std::unordered_set<std::string> dequantized;
  for (const Node& node : sized.graph.nodes) {
    if (node.op_type == "DequantizeLinear")
      dequantized.insert(node.outputs.begin(), node.outputs.end());
  }
  WorkSplit split;
  for (const Node& node : sized.graph.nodes) {
    if (!is_matrix_operator(node)) continue;
    const auto macs = multiply_accumulates(node, types);
    if (!macs) ++split.unknown_nodes;
    const bool between_pairs =
        dequantized.contains(node.input(0)) && dequantized.contains(node.input(1));
    (has_integer_kernel(node) || between_pairs ? split.int8_macs : split.fp32_macs) +=
        macs.value_or(0);
  }
  return split;
}

}  // namespace planish
