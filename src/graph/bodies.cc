#include "planish/graph/bodies.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "planish/base/error.h"

namespace planish {
namespace {

using Names = std::unordered_set<std::string>;

template <typename T>
Tensor vector_of(const std::vector<T>& values) {
  return Tensor::of<T>({static_cast<std::int64_t>(values.size())}, values);
}

/// Const or not, as `graph` is.
template <typename GraphT>
auto find_body(GraphT& graph, const BodyPlace& place)
    -> std::conditional_t<std::is_const_v<GraphT>, const Graph*, Graph*> {
  if (place.node >= graph.nodes.size()) return nullptr;
  auto& attributes = graph.nodes[place.node].attributes;
  const auto found = std::ranges::find(attributes, place.attribute, &Attribute::name);
  if (found == attributes.end()) return nullptr;
  if (auto* one = std::get_if<Box<Graph>>(&found->value))
    return place.position == 0 ? &**one : nullptr;
  auto* many = std::get_if<std::vector<Graph>>(&found->value);
  return many != nullptr && place.position < many->size() ? &(*many)[place.position] : nullptr;
}

[[noreturn]] void fail(const BodyPlace& place) {
  throw Error(ErrorCode::kInvalidArgument, "node " + std::to_string(place.node) + " has no graph " +
                                               std::to_string(place.position) + " in '" +
                                               place.attribute + "'");
}

Names outer_uses(const Graph& body) {
  Names names;
  for_each_outer_use(body, [&](const std::string& name) { names.insert(name); });
  return names;
}

/// Of `graph` and of the bodies in it.
Names definitions(const Graph& graph) {
  Names names;
  for_each_graph(graph, [&](const Graph& inner) { names.merge(names_defined_in(inner)); });
  return names;
}

void rename_values(Graph& graph, const std::unordered_map<std::string, std::string>& names) {
  for_each_value_name(graph, [&](std::string& name) {
    const auto found = names.find(name);
    if (found != names.end()) name = found->second;
  });
}

/// Whether the two are one constant: equal, and if large the same memory.
bool is_same(const Initializer& a, const Initializer& b) {
  const bool same_memory = a.value.bytes().data() == b.value.bytes().data() &&
                           a.value.dtype() == b.value.dtype() && a.value.dims() == b.value.dims();
  return same_memory || a.value == b.value;
}

}  // namespace

std::vector<BodyPlace> bodies_of(const Graph& graph) {
  std::vector<BodyPlace> places;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const Attribute& attribute : graph.nodes[i].attributes) {
      if (std::holds_alternative<Box<Graph>>(attribute.value))
        places.push_back({i, attribute.name, 0});
      const auto* many = std::get_if<std::vector<Graph>>(&attribute.value);
      for (std::size_t k = 0; many != nullptr && k < many->size(); ++k)
        places.push_back({i, attribute.name, k});
    }
  }
  return places;
}

Graph& body_at(Graph& graph, const BodyPlace& place) {
  Graph* found = find_body(graph, place);
  if (found == nullptr) fail(place);
  return *found;
}

const Graph& body_at(const Graph& graph, const BodyPlace& place) {
  const Graph* found = find_body(graph, place);
  if (found == nullptr) fail(place);
  return *found;
}

Model open_body(const Model& around, const GraphIndex& index, const BodyPlace& place) {
  Model body;
  body.ir_version = around.ir_version;
  body.opset_imports = around.opset_imports;
  body.graph = body_at(around.graph, place);
  for (const std::string& name : outer_uses(body.graph)) {
    if (const Initializer* constant = index.constant(name)) {
      body.graph.initializers.push_back(*constant);
      continue;
    }
    ValueInfo input{.name = name};
    if (const ValueType* type = index.type(name)) input.type = *type;
    body.graph.inputs.push_back(std::move(input));
  }
  return body;
}

void close_body(Model& around, const BodyPlace& place, Model body) {
  Graph& target = body_at(around.graph, place);
  const Names read = outer_uses(target);
  const Names before = definitions(target);
  std::unordered_map<std::string_view, const Initializer*> constants;
  for (const Initializer& constant : around.graph.initializers)
    constants.emplace(constant.name, &constant);

  std::erase_if(body.graph.inputs, [&](const ValueInfo& in) { return read.contains(in.name); });
  std::erase_if(body.graph.initializers, [&](const Initializer& constant) {
    if (!read.contains(constant.name)) return false;
    const auto outer = constants.find(constant.name);
    return outer != constants.end() && is_same(*outer->second, constant);
  });
  std::erase_if(body.graph.values, [&](const ValueInfo& v) { return read.contains(v.name); });

  NameScope names(around.graph);
  std::unordered_map<std::string, std::string> renamed;
  for (const std::string& name : definitions(body.graph)) {
    if (name.empty() || before.contains(name)) continue;
    std::string fresh = names.fresh(name);
    if (fresh != name) renamed.emplace(name, std::move(fresh));
  }
  if (!renamed.empty()) rename_values(body.graph, renamed);
  for (const OpsetImport& import : body.opset_imports) {
    if (around.opset(import.domain) == 0) around.opset_imports.push_back(import);
  }
  around.ir_version = std::max(around.ir_version, body.ir_version);
  target = std::move(body.graph);
}

std::optional<Tensor> constant_node_value(const Node& node) {
  if (!node.is("Constant") || node.attributes.size() != 1) return std::nullopt;
  const Attribute& attribute = node.attributes.front();
  if (const auto* tensor = std::get_if<Box<Initializer>>(&attribute.value)) {
    return (*tensor)->value;
  }
  if (const auto* one = std::get_if<float>(&attribute.value)) return Tensor::scalar(*one);
  if (const auto* one = std::get_if<std::int64_t>(&attribute.value)) return Tensor::scalar(*one);
  if (const auto* one = std::get_if<std::string>(&attribute.value)) {
    return Tensor::of_strings({}, {*one});
  }
  if (const auto* many = std::get_if<std::vector<float>>(&attribute.value)) {
    return vector_of(*many);
  }
  if (const auto* many = std::get_if<std::vector<std::int64_t>>(&attribute.value)) {
    return vector_of(*many);
  }
  if (const auto* many = std::get_if<std::vector<std::string>>(&attribute.value)) {
    return Tensor::of_strings({static_cast<std::int64_t>(many->size())}, *many);
  }
  return std::nullopt;
}

void constant_nodes_to_initializers(Graph& graph, const std::function<void(const Node&)>& done) {
  std::erase_if(graph.nodes, [&](const Node& node) {
    if (node.output(0).empty()) return false;
    std::optional<Tensor> value = constant_node_value(node);
    if (!value) return false;
    Initializer added;
    added.name = node.output(0);
    added.value = std::move(*value);
    graph.initializers.push_back(std::move(added));
    done(node);
    return true;
  });
}

}  // namespace planish
