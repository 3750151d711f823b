#include "quantize/body_plans.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "planish/graph/bodies.h"
#include "planish/graph/graph_index.h"
#include "quantize/overrides.h"
#include "quantize/planners.h"

namespace planish {
namespace quantize_detail {
namespace {

/// DynamicQuantizeLinear exists since then.
constexpr std::int64_t kDynamicOpset = 11;

bool quantizes(const QuantizationPlan& plan) {
  return std::ranges::any_of(
      plans_in(plan), [](const PlacedPlan& placed) { return quantized_nodes(*placed.plan) > 0; });
}

bool lacks_ranges(const QuantizationPlan& plan) {
  return std::ranges::any_of(
      plan.nodes, [](const NodeDecision& node) { return node.code == LeaveReason::kNoRange; });
}

/// The overrides that speak of tensors of `body`: the others are about other graphs of the model.
QuantizationConfig config_within(const QuantizationConfig& config, const Graph& body) {
  if (config.tensor_overrides.empty()) return config;
  const std::unordered_set<std::string> known = names_defined_in(body);
  QuantizationConfig within = config;
  std::erase_if(within.tensor_overrides,
                [&](const auto& entry) { return !known.contains(entry.first); });
  return within;
}

QuantizationPlan plan_body(const Model& body, const CalibrationTable& table,
                           const QuantizationConfig& config) {
  QuantizationConfig within = config_within(config, body.graph);
  validate_overrides(within, GraphFacts(body.graph));
  QuantizationPlan plan = plan_graph(body, table, within);
  const bool never_ran = config.mode == QuantizationMode::kStatic && lacks_ranges(plan);
  if (!never_ran || quantizes(plan) || body.opset() < kDynamicOpset) return plan;
  within.mode = QuantizationMode::kDynamic;
  within.activation = DType::kUInt8;  // DynamicQuantizeLinear has no other
  return plan_graph(body, table, within);
}

std::string path_to(const BodyPlan& body, const QuantizationPlan& around) {
  const NodeDecision& node = around.nodes.at(body.place.node);
  std::string path = body.place.attribute;
  if (body.place.position > 0) path += "[" + std::to_string(body.place.position) + "]";
  return path + " of " + (node.node.empty() ? node.op_type : node.node);
}

void add_plans(const QuantizationPlan& plan, const std::string& in,
               std::vector<PlacedPlan>& plans) {
  plans.push_back({in, &plan});
  for (const BodyPlan& body : plan.bodies)
    add_plans(body.plan, path_to(body, plan) + (in.empty() ? "" : ", " + in), plans);
}

}  // namespace

void plan_bodies(const Model& model, const CalibrationTable& table,
                 const QuantizationConfig& config, QuantizationPlan& plan) {
  const GraphIndex index(model.graph);
  for (const BodyPlace& place : bodies_of(model.graph)) {
    NodeDecision& node = plan.nodes[place.node];
    if (node.code == LeaveReason::kNoRule) node.reason = "what is in its bodies is planned there";
    plan.bodies.push_back({place, plan_body(open_body(model, index, place), table, config)});
  }
}

Model apply_to_bodies(const QuantizationPlan& plan, Model model) {
  const Model before = model;  // tensors are shared
  const GraphIndex index(before.graph);
  for (const BodyPlan& body : plan.bodies) {
    if (quantizes(body.plan))
      close_body(model, body.place, apply(body.plan, open_body(before, index, body.place)));
  }
  return model;
}

void add_body_targets(const Model& model, const QuantizationConfig& config,
                      std::set<std::string>& targets) {
  const GraphIndex index(model.graph);
  for (const BodyPlace& place : bodies_of(model.graph)) {
    const auto inside = calibration_targets(open_body(model, index, place), config);
    targets.insert(inside.begin(), inside.end());
  }
}

QuantizationConfig without_overrides_of_bodies(const QuantizationConfig& config,
                                               const Graph& graph) {
  if (config.tensor_overrides.empty()) return config;
  const std::unordered_set<std::string> here = names_defined_in(graph);
  QuantizationConfig without = config;
  for_each_graph(graph, [&](const Graph& inner) {
    if (&inner == &graph) return;
    for (const std::string& name : names_defined_in(inner)) {
      if (!here.contains(name)) without.tensor_overrides.erase(name);
    }
  });
  return without;
}

}  // namespace quantize_detail

std::vector<PlacedPlan> plans_in(const QuantizationPlan& plan) {
  std::vector<PlacedPlan> plans;
  quantize_detail::add_plans(plan, {}, plans);
  return plans;
}

}  // namespace planish
