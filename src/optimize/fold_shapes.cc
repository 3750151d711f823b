// Shape arithmetic: constant where the dimensions are, and out of the way of Reshape where one is
// not.
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "optimize/rewrite.h"
#include "optimize/shape_values.h"
#include "planish/optimize/passes.h"

namespace planish {
namespace {

using rewrite::ShapeValue;
using rewrite::ShapeValues;

Tensor tensor_of(const ShapeValue& value) {
  std::vector<std::int64_t> numbers;
  for (const Dim& element : value.elements) numbers.push_back(*element.number());
  std::vector<std::int64_t> dims;
  if (value.rank == 1) dims.push_back(static_cast<std::int64_t>(numbers.size()));
  if (value.dtype == DType::kInt64) return Tensor::of<std::int64_t>(std::move(dims), numbers);
  const std::vector<std::int32_t> narrow(numbers.begin(), numbers.end());
  return Tensor::of<std::int32_t>(std::move(dims), narrow);
}

/// Reshape's second input with numbers alone: a dimension that is not known is 0 ("as in the data")
/// where the data has the same symbol at the same place, and -1 ("what remains") at most once.
std::optional<std::vector<std::int64_t>> target_of(const Node& reshape, const ShapeValue& target,
                                                   const std::optional<Shape>& data) {
  std::vector<std::int64_t> dims;
  std::size_t open = 0;
  for (std::size_t i = 0; i < target.elements.size(); ++i) {
    const Dim& wanted = target.elements[i];
    if (const auto number = wanted.number()) {
      // A 0 or an empty dimension leaves -1 without a meaning.
      if (*number == 0) return std::nullopt;
      if (*number == -1) ++open;
      dims.push_back(*number);
    } else if (wanted.symbol() && data && i < data->size() &&
               (*data)[i].symbol() == wanted.symbol() &&
               reshape.int_attribute("allowzero", 0) == 0) {
      dims.push_back(0);
    } else {
      ++open;
      dims.push_back(-1);
    }
  }
  if (open > 1) return std::nullopt;
  return dims;
}

void fold_known(Graph& graph, PassReport& report) {
  const GraphIndex index(graph);
  const ShapeValues values(graph, index);
  std::vector<bool> doomed(graph.nodes.size(), false);
  std::vector<Initializer> added;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const ShapeValue* value = node.outputs.size() == 1 ? values.find(node.output(0)) : nullptr;
    if (value == nullptr || !value->is_known() || node.output(0).empty()) continue;
    Initializer constant;
    constant.name = node.output(0);
    constant.value = tensor_of(*value);
    added.push_back(std::move(constant));
    doomed[i] = true;
    rewrite::record(report, rewrite::label(node) + " is " + to_string(value->elements));
  }
  rewrite::erase_nodes(graph, doomed);
  for (Initializer& constant : added) graph.initializers.push_back(std::move(constant));
}

void simplify_reshapes(Graph& graph, PassReport& report) {
  const GraphIndex index(graph);
  const ShapeValues values(graph, index);
  std::vector<std::pair<std::size_t, std::vector<std::int64_t>>> targets;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (!node.is("Reshape") || node.inputs.size() != 2) continue;
    const ShapeValue* target = values.find(node.input(1));
    if (target == nullptr || target->is_known() || target->rank != 1) continue;
    if (auto dims = target_of(node, *target, rewrite::shape_of(index, node.input(0)))) {
      targets.emplace_back(i, std::move(*dims));
    }
  }
  NameScope names(graph);
  for (auto& [i, dims] : targets) {
    const auto count = static_cast<std::int64_t>(dims.size());
    graph.nodes[i].inputs[1] = rewrite::add_initializer(
        graph, names, graph.nodes[i].output(0) + "_shape", Tensor::of<std::int64_t>({count}, dims));
    rewrite::record(report, rewrite::label(graph.nodes[i]) + " to " + to_string(std::span(dims)));
  }
}

/// CastLike reads the type of its second input only, and so holds on to a whole feature map.
void lower_cast_like(Graph& graph, PassReport& report) {
  const GraphIndex index(graph);
  std::vector<std::pair<std::size_t, DType>> casts;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (!node.is("CastLike") || node.inputs.size() != 2) continue;
    if (const auto to = rewrite::dtype_of(index, node.input(1))) casts.emplace_back(i, *to);
  }
  for (const auto& [i, to] : casts) {
    Node& node = graph.nodes[i];
    node.op_type = "Cast";
    node.inputs.resize(1);
    node.set_attribute("to", static_cast<std::int64_t>(to));
    rewrite::record(report, rewrite::label(node) + " to " + std::string(name_of(to)));
  }
}

}  // namespace

PassReport fold_shapes(Model& model, const OptimizeConfig&) {
  PassReport report{.pass = "fold-shapes"};
  lower_cast_like(model.graph, report);
  fold_known(model.graph, report);
  simplify_reshapes(model.graph, report);
  return report;
}

}  // namespace planish
