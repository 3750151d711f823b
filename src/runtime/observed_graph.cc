#include "runtime/observed_graph.h"

#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "planish/base/error.h"
#include "planish/graph/graph_index.h"

namespace planish {
namespace {

constexpr std::string_view kBlockedDomain = "com.microsoft.nchwc";
constexpr std::int64_t kLargestBlock = 16;

bool is_observer(const Node& node) { return node.is(kObserveOp, kObserveDomain); }

// A ReorderOutput whose input holds the same elements as its output, in another order.
bool is_pure_reorder(const Node& node) {
  return node.is("ReorderOutput", kBlockedDomain) &&
         node.int_attribute("channels", 1) % kLargestBlock == 0;
}

void require_value(const GraphIndex& index, const std::string& value) {
  if (index.is_graph_input(value) || index.producer(value)) return;
  throw Error(ErrorCode::kNotFound, "value '" + value +
                                        "' to observe; expected an input or a node's output of "
                                        "the main graph");
}

}  // namespace

Model with_observers(const Model& model, std::span<const std::string> values) {
  if (model.graph.inputs.empty()) {
    throw Error(ErrorCode::kUnsupported, "a model without inputs; expected one to observe");
  }
  const GraphIndex index(model.graph);
  for (const std::string& value : values) require_value(index, value);
  Model observed = model;
  observed.set_opset(kObserveDomain, 1);
  NameScope names(observed.graph);
  // An operator that depends on an input cannot be folded away, even when its value is constant.
  const std::string keep_alive = model.graph.inputs.front().name;
  for (std::size_t i = 0; i < values.size(); ++i) {
    Node node{.op_type = std::string(kObserveOp),
              .inputs = {values[i], keep_alive},
              .outputs = {names.fresh("observed_" + std::to_string(i))},
              .domain = std::string(kObserveDomain)};
    node.name = node.outputs.front();
    node.set_attribute("index", static_cast<std::int64_t>(i));
    observed.graph.outputs.push_back({.name = node.outputs.front()});
    observed.graph.nodes.push_back(std::move(node));
  }
  return observed;
}

std::size_t observe_blocked_layouts(Graph& graph) {
  std::unordered_map<std::string, std::string> blocked;  // a value -> the same in blocked layout
  for (const Node& node : graph.nodes) {
    if (is_pure_reorder(node)) blocked.emplace(node.output(0), node.input(0));
  }
  std::size_t moved = 0;
  for (Node& node : graph.nodes) {
    if (!is_observer(node)) continue;
    const auto found = blocked.find(node.inputs.front());
    if (found == blocked.end()) continue;
    node.inputs.front() = found->second;
    ++moved;
  }
  const GraphIndex index(graph);
  std::unordered_set<std::string> unread;
  for (const auto& [value, before] : blocked) {
    if (index.uses(value).empty() && !index.is_graph_output(value)) unread.insert(value);
  }
  std::erase_if(graph.nodes, [&](const Node& node) {
    return is_pure_reorder(node) && unread.contains(node.output(0));
  });
  return moved;
}

}  // namespace planish
