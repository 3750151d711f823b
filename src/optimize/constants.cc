// Constants in one form: initializers that nobody overrides.
#include <algorithm>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "optimize/rewrite.h"
#include "planish/graph/bodies.h"
#include "planish/optimize/passes.h"

namespace planish {
namespace {

// Files of IR version 3 and before must list every initializer among the inputs.
constexpr std::int64_t kFirstIrWithFreeInitializers = 4;

}  // namespace

PassReport constants_to_initializers(Model& model, const OptimizeConfig&) {
  PassReport report{.pass = "constants"};
  constant_nodes_to_initializers(
      model.graph, [&](const Node& node) { rewrite::record(report, rewrite::label(node)); });
  if (report.changes > 0) {
    model.ir_version = std::max(model.ir_version, kFirstIrWithFreeInitializers);
  }
  return report;
}

PassReport input_defaults_to_constants(Model& model, const OptimizeConfig& config) {
  PassReport report{.pass = "input-defaults"};
  if (config.input_defaults == InputDefaults::kKeep) return report;
  std::unordered_set<std::string> constants;
  for (const Initializer& initializer : model.graph.initializers) {
    constants.insert(initializer.name);
  }
  std::erase_if(model.graph.inputs, [&](const ValueInfo& input) {
    if (!constants.contains(input.name)) return false;
    rewrite::record(report, "'" + input.name + "'");
    return true;
  });
  if (report.changes > 0) {
    model.ir_version = std::max(model.ir_version, kFirstIrWithFreeInitializers);
  }
  return report;
}

PassReport remove_dead_code(Model& model, const OptimizeConfig&) {
  PassReport report{.pass = "dead-code"};
  Graph& graph = model.graph;
  const std::size_t initializers = graph.initializers.size();
  const std::size_t nodes = remove_unused(graph);
  const std::size_t constants = initializers - graph.initializers.size();
  if (nodes > 0) report.details.push_back(std::to_string(nodes) + " nodes");
  if (constants > 0) report.details.push_back(std::to_string(constants) + " initializers");

  std::unordered_set<std::string> called;
  const auto note_calls = [&](const Node& node) {
    called.insert(node.domain + ':' + node.op_type);
  };
  const auto visit = [&](const Graph& inner) { std::ranges::for_each(inner.nodes, note_calls); };
  for_each_graph(graph, visit);
  for (const Function& function : model.functions) {
    Graph body;
    body.nodes = function.nodes;
    for_each_graph(body, visit);
  }
  const std::size_t functions = std::erase_if(model.functions, [&](const Function& function) {
    return !called.contains(function.domain + ':' + function.name);
  });
  if (functions > 0) report.details.push_back(std::to_string(functions) + " functions");
  report.changes = nodes + constants + functions;
  return report;
}

}  // namespace planish
