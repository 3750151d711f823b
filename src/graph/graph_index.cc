#include "planish/graph/graph_index.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <queue>

#include "planish/base/error.h"
#include "planish/graph/bodies.h"

namespace planish {
namespace {

/// Calls visit(graph) for every graph directly inside the attributes of `node`.
template <typename NodeT, typename Visit>
void for_each_subgraph(NodeT& node, const Visit& visit) {
  for (auto& attribute : node.attributes) {
    if (auto* one = std::get_if<Box<Graph>>(&attribute.value)) visit(**one);
    if (auto* many = std::get_if<std::vector<Graph>>(&attribute.value)) {
      for (auto& inner : *many) visit(inner);
    }
  }
}

void replace_outer_uses(Graph& graph, std::string_view from, std::string_view to) {
  const std::unordered_set<std::string> own = names_defined_in(graph);
  if (own.contains(std::string(from))) return;
  for (Node& node : graph.nodes) {
    const bool reads = std::ranges::find(node.inputs, from) != node.inputs.end();
    if (reads && own.contains(std::string(to))) {
      throw Error(ErrorCode::kUnsupported,
                  "graph '" + graph.name + "' has a value '" + std::string(to) +
                      "' of its own, so it cannot read the one of that name around it");
    }
    if (reads) std::ranges::replace(node.inputs, from, std::string(to));
    for_each_subgraph(node, [&](Graph& inner) { replace_outer_uses(inner, from, to); });
  }
}

}  // namespace

std::unordered_set<std::string> names_defined_in(const Graph& graph) {
  std::unordered_set<std::string> names;
  for (const ValueInfo& input : graph.inputs) names.insert(input.name);
  for (const Initializer& initializer : graph.initializers) names.insert(initializer.name);
  for (const SparseInitializer& sparse : graph.sparse_initializers)
    names.insert(sparse.values.name);
  for (const Node& node : graph.nodes) names.insert(node.outputs.begin(), node.outputs.end());
  return names;
}

void for_each_value_name(Graph& graph, const std::function<void(std::string&)>& rename) {
  for_each_graph(graph, [&](Graph& inner) {
    for (auto* infos : {&inner.inputs, &inner.outputs, &inner.values}) {
      for (ValueInfo& info : *infos) rename(info.name);
    }
    for (Initializer& initializer : inner.initializers) rename(initializer.name);
    for (SparseInitializer& sparse : inner.sparse_initializers) rename(sparse.values.name);
    for (QuantizationAnnotation& annotation : inner.quantization_annotations) {
      rename(annotation.tensor_name);
      for (auto& [role, tensor] : annotation.parameters) rename(tensor);
    }
    for (Node& node : inner.nodes) {
      for (auto* names : {&node.inputs, &node.outputs}) {
        for (std::string& name : *names) {
          if (!name.empty()) rename(name);
        }
      }
    }
  });
}

void for_each_outer_use(const Graph& body, const std::function<void(const std::string&)>& visit) {
  const std::unordered_set<std::string> own = names_defined_in(body);
  const auto visit_outer = [&](const std::string& name) {
    if (!name.empty() && !own.contains(name)) visit(name);
  };
  for (const Node& node : body.nodes) {
    std::ranges::for_each(node.inputs, visit_outer);
    for_each_subgraph(node, [&](const Graph& inner) { for_each_outer_use(inner, visit_outer); });
  }
  for (const ValueInfo& output : body.outputs) visit_outer(output.name);
}

GraphIndex::GraphIndex(const Graph& graph) : graph_(&graph) {
  const auto declare = [&](const ValueInfo& value) {
    const bool said = !std::holds_alternative<std::monostate>(value.type.type);
    if (said) types_[value.name] = &value.type;
  };
  for (const ValueInfo& input : graph.inputs) {
    inputs_.insert(input.name);
    declare(input);
  }
  std::ranges::for_each(graph.values, declare);
  for (const ValueInfo& output : graph.outputs) {
    outputs_.insert(output.name);
    declare(output);
  }
  for (std::size_t i = 0; i < graph.initializers.size(); ++i) {
    initializers_.emplace(graph.initializers[i].name, i);
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    for (const std::string& output : node.outputs) {
      if (!output.empty()) producers_.emplace(output, i);
    }
    for (std::size_t k = 0; k < node.inputs.size(); ++k) {
      if (!node.inputs[k].empty()) uses_[node.inputs[k]].push_back(Use{i, k});
    }
    for_each_subgraph(node, [&](const Graph& inner) {
      for_each_outer_use(inner, [&](const std::string& name) {
        const Use use{i, Use::kBySubgraph};
        auto& list = uses_[name];
        if (list.empty() || !(list.back() == use)) list.push_back(use);
      });
    });
  }
}

std::optional<std::size_t> GraphIndex::producer(std::string_view value) const {
  const auto found = producers_.find(value);
  if (found == producers_.end()) return std::nullopt;
  return found->second;
}

std::span<const Use> GraphIndex::uses(std::string_view value) const {
  const auto found = uses_.find(value);
  if (found == uses_.end()) return {};
  return found->second;
}

bool GraphIndex::is_graph_output(std::string_view value) const { return outputs_.contains(value); }
bool GraphIndex::is_graph_input(std::string_view value) const { return inputs_.contains(value); }

const Initializer* GraphIndex::constant(std::string_view value) const {
  const auto found = initializers_.find(value);
  if (found == initializers_.end() || inputs_.contains(value)) return nullptr;
  return &graph_->initializers[found->second];
}

bool GraphIndex::has_single_use(std::string_view value) const {
  const auto list = uses(value);
  return list.size() == 1 && list.front().input != Use::kBySubgraph && !is_graph_output(value);
}

const ValueType* GraphIndex::type(std::string_view value) const {
  const auto found = types_.find(value);
  return found == types_.end() ? nullptr : found->second;
}

void sort_topologically(Graph& graph) {
  std::unordered_map<std::string, std::size_t> producer;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string& output : graph.nodes[i].outputs) {
      if (!output.empty() && !producer.emplace(output, i).second) {
        throw Error(ErrorCode::kCorrupt, "value '" + output + "' is made by two nodes, '" +
                                             graph.nodes[producer[output]].name + "' and '" +
                                             graph.nodes[i].name + "'");
      }
    }
  }
  std::vector<std::vector<std::size_t>> readers(graph.nodes.size());
  std::vector<std::size_t> missing(graph.nodes.size(), 0);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto needs = [&](const std::string& name) {
      const auto found = producer.find(name);
      if (found == producer.end()) return;
      readers[found->second].push_back(i);
      ++missing[i];
    };
    const Node& node = graph.nodes[i];
    std::ranges::for_each(node.inputs, needs);
    for_each_subgraph(node, [&](const Graph& inner) { for_each_outer_use(inner, needs); });
  }
  // The smallest ready index first keeps the given order wherever it is already valid.
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  for (std::size_t i = 0; i < missing.size(); ++i) {
    if (missing[i] == 0) ready.push(i);
  }
  std::vector<std::size_t> order;
  order.reserve(graph.nodes.size());
  while (!ready.empty()) {
    const std::size_t i = ready.top();
    ready.pop();
    for (const std::size_t reader : readers[i]) {
      if (--missing[reader] == 0) ready.push(reader);
    }
    order.push_back(i);
  }
  if (order.size() != graph.nodes.size()) {
    const auto stuck = std::ranges::find_if(missing, [](std::size_t count) { return count > 0; });
    const auto i = static_cast<std::size_t>(stuck - missing.begin());
    throw Error(ErrorCode::kCorrupt, "node '" + graph.nodes[i].name + "' (" +
                                         graph.nodes[i].op_type + ") is part of a cycle");
  }
  std::vector<Node> sorted;
  sorted.reserve(order.size());
  for (const std::size_t i : order) sorted.push_back(std::move(graph.nodes[i]));
  graph.nodes = std::move(sorted);
}

void replace_uses(Graph& graph, std::string_view from, std::string_view to) {
  for (Node& node : graph.nodes) {
    std::ranges::replace(node.inputs, from, std::string(to));
    for_each_subgraph(node, [&](Graph& inner) { replace_outer_uses(inner, from, to); });
  }
}

std::size_t remove_unused(Graph& graph) {
  std::unordered_set<std::string> read;
  for (const ValueInfo& output : graph.outputs) read.insert(output.name);
  std::vector<bool> kept(graph.nodes.size(), false);
  // Nodes are in topological order, so one walk from the end sees every reader before its producer.
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    const bool used = std::ranges::any_of(node.outputs, [&](const std::string& name) {
      return !name.empty() && read.contains(name);
    });
    if (!used) continue;
    kept[i] = true;
    read.insert(node.inputs.begin(), node.inputs.end());
    for_each_subgraph(node, [&](const Graph& inner) {
      for_each_outer_use(inner, [&](const std::string& name) { read.insert(name); });
    });
  }
  std::size_t at = 0;
  std::unordered_set<std::string> made;
  const std::size_t removed = std::erase_if(graph.nodes, [&](const Node& node) {
    const bool keep = kept[at++];
    if (keep) made.insert(node.outputs.begin(), node.outputs.end());
    return !keep;
  });
  // An input whose default went would have to be given from then on.
  for (const ValueInfo& input : graph.inputs) read.insert(input.name);
  std::erase_if(graph.quantization_annotations, [&](const QuantizationAnnotation& annotation) {
    return !made.contains(annotation.tensor_name) && !read.contains(annotation.tensor_name);
  });
  for (const QuantizationAnnotation& annotation : graph.quantization_annotations) {
    for (const auto& [role, tensor] : annotation.parameters) read.insert(tensor);
  }
  std::erase_if(graph.initializers, [&](const Initializer& i) { return !read.contains(i.name); });
  std::erase_if(graph.sparse_initializers,
                [&](const SparseInitializer& s) { return !read.contains(s.values.name); });
  std::erase_if(graph.values, [&](const ValueInfo& value) {
    return !made.contains(value.name) && !read.contains(value.name);
  });
  return removed;
}

NameScope::NameScope(const Graph& graph) {
  for_each_graph(graph, [&](const Graph& inner) {
    for (const ValueInfo& value : inner.values) taken_.insert(value.name);
    for (const ValueInfo& value : inner.inputs) taken_.insert(value.name);
    for (const ValueInfo& value : inner.outputs) taken_.insert(value.name);
    for (const Initializer& initializer : inner.initializers) taken_.insert(initializer.name);
    for (const SparseInitializer& sparse : inner.sparse_initializers)
      taken_.insert(sparse.values.name);
    for (const Node& node : inner.nodes) {
      taken_.insert(node.name);
      taken_.insert(node.inputs.begin(), node.inputs.end());
      taken_.insert(node.outputs.begin(), node.outputs.end());
    }
  });
}

std::string NameScope::fresh(std::string_view wish) {
  std::string name(wish);
  if (taken_.insert(name).second) return name;
  std::size_t& suffix = last_suffix_[name];
  do {
    name = std::string(wish) + "_" + std::to_string(++suffix);
  } while (!taken_.insert(name).second);
  return name;
}

}  // namespace planish
