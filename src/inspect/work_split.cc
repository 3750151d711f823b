#include "planish/inspect/work_split.h"

#include <algorithm>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "planish/graph/graph_index.h"
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

/// Whether a kernel multiplies matrices, by its operator's name in any domain.
bool is_matrix_kernel(std::string_view op_type) {
  Node plain;
  plain.op_type = op_type;
  Node fused = plain;
  fused.domain = "com.microsoft";
  return is_matrix_operator(plain) || is_matrix_operator(fused);
}

/// What kind of convolution `node` is, by the attributes and the dims of its weight [M, C/group,
/// k...].
std::string kind_of_convolution(const Node& node, const std::optional<Shape>& weight) {
  const auto dims = weight ? static_dims(*weight) : std::nullopt;
  if (!dims || dims->size() < 3) return "Conv";
  if (node.int_attribute("group", 1) > 1)
    return (*dims)[1] == 1 ? "depthwise Conv" : "grouped Conv";
  const bool is_pointwise =
      std::all_of(dims->begin() + 2, dims->end(), [](std::int64_t k) { return k == 1; });
  return is_pointwise ? "pointwise Conv" : "Conv";
}

/// The matrix node behind `index`, which a kernel is named after: ONNX Runtime names a convolution
/// with its activation, or with a sum, after the last of them.
std::optional<std::size_t> matrix_node_behind(const Graph& graph, const GraphIndex& edges,
                                              std::size_t index, std::set<std::size_t>& taken) {
  std::vector<std::size_t> layer = {index};
  for (int depth = 0; depth < 4 && !layer.empty(); ++depth) {
    std::vector<std::size_t> before;
    for (const std::size_t node : layer) {
      if (is_matrix_operator(graph.nodes[node])) {
        if (taken.insert(node).second) return node;
        continue;
      }
      for (const std::string& input : graph.nodes[node].inputs) {
        if (const auto producer = edges.producer(input)) before.push_back(*producer);
      }
    }
    layer = std::move(before);
  }
  return std::nullopt;
}

std::string kind_of(const Node& node, const ValueTypes& types) {
  const bool is_qlinear = node.op_type == "QLinearConv";
  if (node.op_type != "Conv" && node.op_type != "FusedConv" && !is_qlinear) {
    return node.op_type.find("MatMul") != std::string::npos ? "MatMul"
           : node.op_type == "QGemm"                        ? "Gemm"
                                                            : node.op_type;
  }
  const auto weight = types.find(node.input(is_qlinear ? 3 : 1));
  const TensorType* tensor = weight == types.end() ? nullptr : weight->second.tensor();
  return kind_of_convolution(node, tensor ? tensor->shape : std::nullopt);
}

}  // namespace

std::vector<KindOfWork> time_by_kind(const Model& model, std::span<const NamedTensor> inputs,
                                     std::span<const NodeTime> times) {
  const Model sized = with_shapes_of(model, inputs);
  const ValueTypes types = infer_value_types(sized);
  const KernelNames names(sized.graph);
  const GraphIndex edges(sized.graph);
  std::set<std::size_t> taken;
  std::vector<KindOfWork> kinds;
  for (const NodeTime& time : times) {
    Node kernel;
    kernel.op_type = time.op_type;
    KindOfWork one{.kind = time.op_type, .kernels = 1, .time = time.median};
    std::optional<std::size_t> index;
    if (is_matrix_kernel(time.op_type)) index = names.node_of(time.node);
    if (index) index = matrix_node_behind(sized.graph, edges, *index, taken);
    if (index) {
      const Node& node = sized.graph.nodes[*index];
      one.int8 = has_integer_kernel(kernel);
      one.kind = (one.int8 ? "INT8 " : "FP32 ") + kind_of(node, types);
      one.macs = multiply_accumulates(node, types).value_or(0);
    }
    const auto known = std::ranges::find(kinds, one.kind, &KindOfWork::kind);
    if (known == kinds.end()) {
      kinds.push_back(std::move(one));
      continue;
    }
    ++known->kernels;
    known->macs += one.macs;
    known->time += one.time;
  }
  std::ranges::stable_sort(kinds, std::ranges::greater(), &KindOfWork::time);
  return kinds;
}

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
