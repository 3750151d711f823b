#include "runtime/observed_graph.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "planish/base/error.h"
#include "planish/graph/bodies.h"
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

Node observer_of(const std::string& value, std::size_t i, const std::string& keep_alive,
                 NameScope& names) {
  Node node{.op_type = std::string(kObserveOp),
            .inputs = {value, keep_alive},
            .outputs = {names.fresh("observed_" + std::to_string(i))},
            .domain = std::string(kObserveDomain)};
  node.name = node.outputs.front();
  node.set_attribute("index", static_cast<std::int64_t>(i));
  return node;
}

// Values and their positions in the list that was asked for.
using Positions = std::unordered_map<std::string_view, std::size_t>;

// Observers of the values that `body`, or a body in it, makes or is given. They are read by nothing
// and run all the same. A name that several bodies have is observed in each. Takes what it finds
// from `missing`.
void observe_in_bodies(Graph& graph, const Positions& wanted, const std::string& keep_alive,
                       NameScope& names, std::unordered_set<std::size_t>& missing) {
  for (const BodyPlace& place : bodies_of(graph)) {
    Graph& body = body_at(graph, place);
    observe_in_bodies(body, wanted, keep_alive, names, missing);
    std::vector<Node> nodes;
    const auto observe = [&](const std::string& name) {
      const auto found = wanted.find(name);
      if (found == wanted.end()) return;
      nodes.push_back(observer_of(name, found->second, keep_alive, names));
      missing.erase(found->second);
    };
    for (const ValueInfo& input : body.inputs) observe(input.name);
    std::vector<Node> computed = std::move(body.nodes);
    for (Node& node : computed) {
      nodes.push_back(node);
      for (const std::string& output : node.outputs) observe(output);
    }
    body.nodes = std::move(nodes);
  }
}

// Positions in `values`, those that are computed first in front. ONNX Runtime runs nodes in an
// order that follows the order of the graph's ends, which observers are: in this order each runs
// right after its value is made. In another, values wait for it, out of the cache and in more
// memory. Values that the main graph does not have go to `elsewhere`.
std::vector<std::size_t> in_order_of_computation(const Graph& graph,
                                                 std::span<const std::string> values,
                                                 std::unordered_set<std::size_t>& elsewhere) {
  const GraphIndex index(graph);
  std::vector<std::pair<std::size_t, std::size_t>>
      places;  // position of the producer, of the value
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto producer = index.producer(values[i]);
    if (producer || index.is_graph_input(values[i])) {
      places.emplace_back(producer ? *producer + 1 : 0, i);
    } else {
      elsewhere.insert(i);
    }
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
  std::unordered_set<std::size_t> missing;
  for (const std::size_t i : in_order_of_computation(model.graph, values, missing)) {
    Node node = observer_of(values[i], i, keep_alive, names);
    observed.graph.outputs.push_back({.name = node.outputs.front()});
    observed.graph.nodes.push_back(std::move(node));
  }
  if (missing.empty()) return observed;
  Positions elsewhere;
  for (const std::size_t i : missing) elsewhere.emplace(values[i], i);
  observe_in_bodies(observed.graph, elsewhere, keep_alive, names, missing);
  if (!missing.empty()) {
    throw Error(ErrorCode::kNotFound, "value '" + values[*std::ranges::min_element(missing)] +
                                          "' to observe; expected an input or a node's output");
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
