#include "optimize/rewrite.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace planish::rewrite {
namespace {

template <typename Visit>
void for_each_subgraph(Node& node, const Visit& visit) {
  for (Attribute& attribute : node.attributes) {
    if (auto* one = std::get_if<Box<Graph>>(&attribute.value)) visit(**one);
    if (auto* many = std::get_if<std::vector<Graph>>(&attribute.value)) {
      for (Graph& inner : *many) visit(inner);
    }
  }
}

void rename(std::string& name, const Renaming& names) {
  const auto found = names.find(name);
  if (found != names.end()) name = found->second;
}

/// Calls visit(name) for every value that `graph` itself defines.
template <typename Visit>
void for_each_definition(const Graph& graph, const Visit& visit) {
  for (const ValueInfo& input : graph.inputs) visit(input.name);
  for (const Initializer& initializer : graph.initializers) visit(initializer.name);
  for (const SparseInitializer& sparse : graph.sparse_initializers) visit(sparse.values.name);
  for (const Node& node : graph.nodes) {
    for (const std::string& output : node.outputs) visit(output);
  }
}

void rename_outer_reads(Graph& graph, const Renaming& names) {
  bool shadows = false;
  for_each_definition(graph, [&](const std::string& name) { shadows |= names.contains(name); });
  if (!shadows) {
    rename_reads(graph, names);
    return;
  }
  Renaming visible = names;
  for_each_definition(graph, [&](const std::string& name) { visible.erase(name); });
  rename_reads(graph, visible);
}

/// A's reader shall read B, B's shall read C: then A's shall read C.
void close_transitively(Renaming& names) {
  for (auto& entry : names) {
    for (auto next = names.find(entry.second); next != names.end();
         next = names.find(entry.second)) {
      entry.second = next->second;
    }
  }
}

}  // namespace

std::string label(const Node& node) {
  return node.op_type + " '" + (node.name.empty() ? node.output(0) : node.name) + "'";
}

void rename_reads(Graph& graph, const Renaming& names) {
  if (names.empty()) return;
  for (Node& node : graph.nodes) {
    for (std::string& input : node.inputs) rename(input, names);
    for_each_subgraph(node, [&](Graph& inner) { rename_outer_reads(inner, names); });
  }
}

void rename_all(Node& node, const Renaming& names) {
  for (std::string& input : node.inputs) rename(input, names);
  for (std::string& output : node.outputs) rename(output, names);
  for_each_subgraph(node, [&](Graph& inner) {
    for (ValueInfo& input : inner.inputs) rename(input.name, names);
    for (ValueInfo& output : inner.outputs) rename(output.name, names);
    for (ValueInfo& value : inner.values) rename(value.name, names);
    for (Initializer& initializer : inner.initializers) rename(initializer.name, names);
    for (SparseInitializer& sparse : inner.sparse_initializers) rename(sparse.values.name, names);
    for (Node& within : inner.nodes) rename_all(within, names);
  });
}

void erase_nodes(Graph& graph, const std::vector<bool>& doomed) {
  std::size_t i = 0;
  std::erase_if(graph.nodes, [&](const Node&) { return doomed[i++]; });
}

std::vector<std::size_t> bypass(Graph& graph, const std::vector<std::size_t>& nodes) {
  const GraphIndex index(graph);
  Renaming reads;
  std::vector<std::pair<std::size_t, std::string>> promoted;  // producer, the name it gives up
  std::vector<std::size_t> gone;
  const auto resolve = [&](std::string name) {
    for (auto next = reads.find(name); next != reads.end(); next = reads.find(name)) {
      name = next->second;
    }
    return name;
  };
  for (const std::size_t i : nodes) {
    const std::string source = resolve(graph.nodes[i].input(0));
    const std::string& target = graph.nodes[i].output(0);
    if (source == target) continue;  // only in a graph that is not one: x = Identity(x)
    if (!index.is_graph_output(target)) {
      reads[target] = source;
      gone.push_back(i);
      continue;
    }
    const auto producer = index.producer(source);
    if (!producer || index.is_graph_output(source)) continue;
    reads[source] = target;
    promoted.emplace_back(*producer, source);
    gone.push_back(i);
  }
  for (const auto& [producer, name] : promoted) {
    std::ranges::replace(graph.nodes[producer].outputs, name, reads.at(name));
  }
  close_transitively(reads);
  rename_reads(graph, reads);
  std::vector<bool> doomed(graph.nodes.size(), false);
  for (const std::size_t i : gone) doomed[i] = true;
  erase_nodes(graph, doomed);
  return gone;
}

std::string add_initializer(Graph& graph, NameScope& names, std::string_view wish, Tensor value) {
  Initializer added;
  added.name = names.fresh(wish);
  added.value = std::move(value);
  graph.initializers.push_back(std::move(added));
  return graph.initializers.back().name;
}

std::optional<std::vector<std::int64_t>> constant_ints(const GraphIndex& index,
                                                       std::string_view value) {
  const Initializer* constant = index.constant(value);
  if (constant == nullptr || constant->value.rank() > 1) return std::nullopt;
  const DType dtype = constant->value.dtype();
  if (dtype != DType::kInt64 && dtype != DType::kInt32) return std::nullopt;
  return constant->value.to_ints();
}

std::optional<ScalarConstant> constant_scalar(const GraphIndex& index, std::string_view value) {
  const Initializer* constant = index.constant(value);
  if (constant == nullptr || constant->value.dtype() != DType::kFloat32 ||
      constant->value.element_count() != 1) {
    return std::nullopt;
  }
  return ScalarConstant{constant->value.values<float>()[0], constant->value.rank()};
}

std::optional<DType> dtype_of(const GraphIndex& index, std::string_view value) {
  if (const Initializer* constant = index.constant(value)) return constant->value.dtype();
  const ValueType* type = index.type(value);
  const TensorType* tensor = type == nullptr ? nullptr : type->tensor();
  if (tensor == nullptr || tensor->dtype == DType::kUndefined) return std::nullopt;
  return tensor->dtype;
}

std::optional<Shape> shape_of(const GraphIndex& index, std::string_view value) {
  if (const Initializer* constant = index.constant(value)) {
    const auto& dims = constant->value.dims();
    return Shape(dims.begin(), dims.end());
  }
  const ValueType* type = index.type(value);
  const TensorType* tensor = type == nullptr ? nullptr : type->tensor();
  return tensor == nullptr ? std::nullopt : tensor->shape;
}

std::optional<std::size_t> normalized_axis(std::int64_t axis, std::size_t rank) {
  const auto signed_rank = static_cast<std::int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank) return std::nullopt;
  return static_cast<std::size_t>(axis < 0 ? axis + signed_rank : axis);
}

}  // namespace planish::rewrite
