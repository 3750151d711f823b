// Bodies: the graphs inside nodes (If, Loop, Scan), worked on as models of their own.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "planish/graph/graph_index.h"
#include "planish/graph/model.h"

namespace planish {

/// Where a body is: `graph.nodes[node]`, its attribute, and the position in a list of graphs.
struct BodyPlace {
  std::size_t node = 0;
  std::string attribute = {};
  std::size_t position = 0;  // 0 for a single graph
  friend bool operator==(const BodyPlace&, const BodyPlace&) = default;
};

/// The bodies of `graph`'s own nodes, in order; those inside them are not listed.
std::vector<BodyPlace> bodies_of(const Graph& graph);
/// @throws Error(kInvalidArgument) when `graph` has none there.
Graph& body_at(Graph& graph, const BodyPlace& place);
const Graph& body_at(const Graph& graph, const BodyPlace& place);

/// Calls visit(name) for each value of an enclosing graph that `body`, or a body in it, reads; for
/// some more than once.
void for_each_outer_use(const Graph& body, const std::function<void(const std::string&)>& visit);

/// The body as a model: of what it reads from `around`, constants are initializers and other values
/// are inputs. Cheap: tensors are shared. `index`: of `around.graph`.
Model open_body(const Model& around, const GraphIndex& index, const BodyPlace& place);

/// Puts a model that came from open_body, and was rewritten since, back in its place: what it read
/// is read from `around` again, and what is new in it gets names that `around` has nowhere.
/// Operator sets that it imports besides are imported.
void close_body(Model& around, const BodyPlace& place, Model body);

/// The value of a Constant node in any of its attribute forms; nothing for other nodes, for sparse
/// values and for those that refer to an attribute of a function.
std::optional<Tensor> constant_node_value(const Node& node);

/// Constant nodes of `graph` itself become initializers; calls done(node) for each.
void constant_nodes_to_initializers(Graph& graph, const std::function<void(const Node&)>& done);

}  // namespace planish
