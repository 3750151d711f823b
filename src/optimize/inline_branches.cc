// If with a constant condition: the branch that is taken moves into the graph around it.
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "optimize/rewrite.h"
#include "planish/base/error.h"
#include "planish/optimize/passes.h"

namespace planish {
namespace {

/// The branch that always runs; null when the condition is not constant.
const Graph* taken_branch(const GraphIndex& index, const Node& node) {
  if (!node.is("If")) return nullptr;
  const Initializer* condition = index.constant(node.input(0));
  if (condition == nullptr || condition->value.dtype() != DType::kBool ||
      condition->value.element_count() != 1) {
    return nullptr;
  }
  const bool then = condition->value.bytes()[0] != std::byte{0};
  const Attribute* branch = node.find_attribute(then ? "then_branch" : "else_branch");
  const auto* graph = branch == nullptr ? nullptr : std::get_if<Box<Graph>>(&branch->value);
  return graph == nullptr ? nullptr : &**graph;
}

/// Fresh names for all that `branch` and graphs inside it define.
rewrite::Renaming fresh_names(const Graph& branch, NameScope& names) {
  rewrite::Renaming renaming;
  const auto add = [&](const std::string& name) {
    if (!name.empty()) renaming.emplace(name, names.fresh(name));
  };
  for_each_graph(branch, [&](const Graph& graph) {
    for (const ValueInfo& input : graph.inputs) add(input.name);
    for (const Initializer& initializer : graph.initializers) add(initializer.name);
    for (const SparseInitializer& sparse : graph.sparse_initializers) add(sparse.values.name);
    for (const Node& node : graph.nodes) {
      for (const std::string& output : node.outputs) add(output);
    }
  });
  return renaming;
}

/// The nodes that stand in for the If: the branch's, renamed, and an Identity for each output.
std::vector<Node> inlined(const Node& node, Graph branch, NameScope& names, Graph& around) {
  const rewrite::Renaming renaming = fresh_names(branch, names);
  const auto renamed = [&](const std::string& name) {
    const auto found = renaming.find(name);
    return found == renaming.end() ? name : found->second;
  };
  if (branch.outputs.size() < node.outputs.size()) {
    throw Error(ErrorCode::kCorrupt,
                rewrite::label(node) + " has " + std::to_string(node.outputs.size()) +
                    " outputs, its branch only " + std::to_string(branch.outputs.size()));
  }
  for (Initializer& initializer : branch.initializers) {
    initializer.name = renamed(initializer.name);
    around.initializers.push_back(std::move(initializer));
  }
  for (SparseInitializer& sparse : branch.sparse_initializers) {
    sparse.values.name = renamed(sparse.values.name);
    around.sparse_initializers.push_back(std::move(sparse));
  }
  for (ValueInfo& value : branch.values) {
    value.name = renamed(value.name);
    around.values.push_back(std::move(value));
  }
  std::vector<Node> nodes = std::move(branch.nodes);
  for (Node& inner : nodes) rewrite::rename_all(inner, renaming);
  for (std::size_t k = 0; k < node.outputs.size(); ++k) {
    if (node.outputs[k].empty()) continue;
    Node hand_on;
    hand_on.op_type = "Identity";
    hand_on.name = names.fresh(node.name + "/output");
    hand_on.inputs = {renamed(branch.outputs[k].name)};
    hand_on.outputs = {node.outputs[k]};
    nodes.push_back(std::move(hand_on));
  }
  return nodes;
}

}  // namespace

PassReport inline_branches(Model& model, const OptimizeConfig&) {
  PassReport report{.pass = "inline-branches"};
  Graph& graph = model.graph;
  // The branch may itself hold an If: nesting is bounded by the reader of the model.
  for (bool changed = true; changed;) {
    changed = false;
    std::vector<const Graph*> branches;
    {
      const GraphIndex index(graph);
      for (const Node& node : graph.nodes) branches.push_back(taken_branch(index, node));
    }
    NameScope names(graph);
    std::vector<Node> nodes = std::move(graph.nodes);
    graph.nodes.clear();
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (branches[i] == nullptr) {
        graph.nodes.push_back(std::move(nodes[i]));
        continue;
      }
      std::vector<Node> inner = inlined(nodes[i], *branches[i], names, graph);
      std::ranges::move(inner, std::back_inserter(graph.nodes));
      rewrite::record(report, rewrite::label(nodes[i]));
      changed = true;
    }
  }
  return report;
}

}  // namespace planish
