// Who makes a value and who uses it; and the edits that keep a graph valid.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "planish/graph/model.h"

namespace planish {

/// One use of a value: `nodes[node].inputs[input]`, or, with `input` == kBySubgraph, a use by name
/// somewhere inside a subgraph (If, Loop, Scan) of that node.
struct Use {
  static constexpr std::size_t kBySubgraph = static_cast<std::size_t>(-1);
  std::size_t node = 0;
  std::size_t input = 0;
  friend bool operator==(const Use&, const Use&) = default;
};

/// A read-only picture of one graph, valid until the graph's nodes, inputs, outputs or initializers
/// change in number or name; then make a new one (it costs one walk over the graph).
class GraphIndex {
 public:
  /// Keeps a reference: `graph` must outlive the index.
  explicit GraphIndex(const Graph& graph);

  /// Index of the node that makes `value`; nothing for inputs, initializers and unknown names.
  [[nodiscard]] std::optional<std::size_t> producer(std::string_view value) const;
  /// Uses by nodes, in node order; graph outputs are not among them.
  [[nodiscard]] std::span<const Use> uses(std::string_view value) const;
  [[nodiscard]] bool is_graph_output(std::string_view value) const;
  [[nodiscard]] bool is_graph_input(std::string_view value) const;
  /// The initializer of that name, when it cannot be overridden from outside (it is not also a
  /// graph input); null otherwise.
  [[nodiscard]] const Initializer* constant(std::string_view value) const;
  /// Whether the only reader of `value` is one node input, and no graph output or subgraph.
  [[nodiscard]] bool has_single_use(std::string_view value) const;
  /// The declared type of a graph input, output or value between; null when none is said.
  [[nodiscard]] const ValueType* type(std::string_view value) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept {
      return std::hash<std::string_view>{}(s);
    }
  };
  template <typename T>
  using Map = std::unordered_map<std::string, T, Hash, std::equal_to<>>;
  using Set = std::unordered_set<std::string, Hash, std::equal_to<>>;

  const Graph* graph_;
  Map<std::size_t> producers_;
  Map<std::vector<Use>> uses_;
  Map<std::size_t> initializers_;
  Map<const ValueType*> types_;
  Set inputs_;
  Set outputs_;
};

/// Puts the nodes into topological order, stable: nodes keep their order where the edges allow it.
/// @throws Error(kCorrupt) naming a node of a cycle, or a value made twice.
void sort_topologically(Graph& graph);

/// Every reader of `from` (node inputs, also inside subgraphs) reads `to` instead. Graph outputs
/// keep their names: they are not changed. A subgraph with a value `from` of its own is left alone.
/// @throws Error(kUnsupported) when a subgraph reads `from` and has a value `to` of its own.
void replace_uses(Graph& graph, std::string_view from, std::string_view to);

/// Removes nodes none of whose outputs is read, then initializers, value types and quantization
/// annotations that nothing uses; graph inputs stay, with their defaults. Nodes must be in
/// topological order. Says how many nodes went.
std::size_t remove_unused(Graph& graph);

/// Names that are in use anywhere in a graph, for making new ones.
class NameScope {
 public:
  explicit NameScope(const Graph& graph);
  /// `wish` itself when it is free, else `wish` with "_1", "_2", …; the result is taken then.
  std::string fresh(std::string_view wish);

 private:
  std::unordered_set<std::string> taken_;
  std::unordered_map<std::string, std::size_t>
      last_suffix_;  // by wish: the next search starts there
};

/// Names that `graph` itself defines, those of its bodies not: a use of one of them inside is not a
/// use of an outer value.
std::unordered_set<std::string> names_defined_in(const Graph& graph);

/// Calls rename(name) for every name of a value, in `graph` and in the graphs inside it. Bodies
/// that read a value of an outer graph, and those that have one of the same name, stay as they were
/// related: all equal names change alike.
void for_each_value_name(Graph& graph, const std::function<void(std::string&)>& rename);

/// Calls visit(graph) for `graph` and every graph inside its nodes' attributes, outermost first.
template <typename GraphT, typename Visit>
void for_each_graph(GraphT& graph, const Visit& visit) {
  visit(graph);
  for (auto& node : graph.nodes) {
    for (auto& attribute : node.attributes) {
      if (auto* one = std::get_if<Box<Graph>>(&attribute.value)) for_each_graph(**one, visit);
      if (auto* many = std::get_if<std::vector<Graph>>(&attribute.value)) {
        for (auto& inner : *many) for_each_graph(inner, visit);
      }
    }
  }
}

}  // namespace planish
