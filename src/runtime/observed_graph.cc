#include "runtime/observed_graph.h"

#include <algorithm>
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

// Positions in `values`, those that are computed first in front. ONNX Runtime runs nodes in an
// order that follows the order of the graph's ends, which observers are: in this order each runs
// right after its value is made. In another, values wait for it, out of the cache and in more
// memory.
std::vector<std::size_t> in_order_of_computation(const Graph& graph,
                                                 std::span<const std::string> values) {
  const GraphIndex index(graph);
  std::vector<std::pair<std::size_t, std::size_t>>
      places;  // position of the producer, of the value
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto producer = index.producer(values[i]);
    if (!producer && !index.is_graph_input(values[i])) {
      throw Error(ErrorCode::kNotFound, "value '" + values[i] +
                                            "' to observe; expected an input or a node's output of "
                                            "the main graph");
    }
    places.emplace_back(producer ? *producer + 1 : 0, i);
  }
  std::sort(places.begin(), places.end());
  std::vector<std::size_t> order;
  for (const auto& place : places) order.push_back(place.second);
  return order;
}

}  // namespace

Model with_observers(const Model& model, std::span<const std::string> values) {
  if (model.graph.inputs.empty()) {
    throw Error(ErrorCode::kUnsupported, "a model without inputs; expected one to observe");
  }
  Model observed = model;
  observed.set_opset(kObserveDomain, 1);
  NameScope names(observed.graph);
  // An operator that depends on an input cannot be folded away, even when its value is constant.
  const std::string keep_alive = model.graph.inputs.front().name;
  for (const std::size_t i : in_order_of_computation(model.graph, values)) {
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
