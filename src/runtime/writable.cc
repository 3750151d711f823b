#include "runtime/writable.h"

#include <algorithm>

#include "planish/graph/bodies.h"

namespace planish {

Model writable(const Model& model) {
  constexpr std::int64_t kFirstIrWithFreeInitializers = 4;
  Model result = model;
  for_each_graph(result.graph, [&](Graph& graph) {
    if (&graph == &result.graph) return;
    constant_nodes_to_initializers(graph, [&](const Node&) {
      result.ir_version = std::max(result.ir_version, kFirstIrWithFreeInitializers);
    });
  });
  return result;
}

}  // namespace planish
