#include "planish/lint/lint.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "planish/base/json.h"
#include "planish/graph/graph_index.h"
#include "planish/prepare/prepare.h"
#include "planish/runtime/session.h"

namespace planish {
namespace {

using Counts = std::map<std::string, std::size_t>;
using std::chrono::nanoseconds;

/// The graph that runs, as nodes that findings are made of. Why an operator stayed float is known
/// from the forecast, by its name.
FusionForecast as_it_runs(const Model& optimized, const FusionForecast& forecast) {
  std::unordered_map<std::string, FusionObstacle> obstacles;
  for (const FusedNode& fused : forecast.nodes) obstacles.emplace(fused.node.name, fused.obstacle);
  FusionForecast real;
  real.inputs = forecast.inputs;
  for (const Node& node : optimized.graph.nodes) {
    FusedNode& fused = real.nodes.emplace_back();
    fused.node = node;
    const auto found = obstacles.find(node.name);
    if (found != obstacles.end()) fused.obstacle = found->second;
  }
  return real;
}

/// Q, DQ and what only fusion makes: what a forecast is held to.
bool is_forecast(const std::string& op_type) {
  if (op_type == "QuantizeLinear" || op_type == "DequantizeLinear" || op_type == "MatMulNBits" ||
      op_type == "MatMulIntegerToFloat")
    return true;
  return std::ranges::any_of(kFusionRules, [&](const FusionRule& rule) {
    return rule.fused_as == op_type && rule.fused_as != rule.op_type;
  });
}

/// Pairs that the change of layout adds: ONNX Runtime names them by their operator alone.
bool is_layout_node(const Node& node, const std::unordered_map<std::string, bool>& known) {
  return (node.op_type == "QuantizeLinear" || node.op_type == "DequantizeLinear") &&
         node.name.starts_with(node.op_type) && !known.contains(node.name);
}

void compare(const FusionForecast& forecast, const Model& optimized, LintReport& report) {
  std::unordered_map<std::string, bool> known;
  for (const FusedNode& fused : forecast.nodes) known.emplace(fused.node.name, true);
  Counts expected;
  Counts found;
  for (const FusedNode& fused : forecast.nodes) {
    if (is_forecast(fused.node.op_type)) ++expected[fused.node.op_type];
  }
  for (const Node& node : optimized.graph.nodes) {
    if (!is_forecast(node.op_type)) continue;
    ++found[node.op_type];
    report.quantize_nodes += node.op_type == "QuantizeLinear" ? 1 : 0;
    report.dequantize_nodes += node.op_type == "DequantizeLinear" ? 1 : 0;
    if (node.op_type == "QuantizeLinear" && is_layout_node(node, known)) ++report.layout_pairs;
  }
  for (const char* op : {"QuantizeLinear", "DequantizeLinear"}) {
    // A layout pair that is not forecast may also be one whose name alone is not.
    const std::size_t surplus = found[op] - std::min(found[op], expected[op]);
    found[op] -= std::min(surplus, report.layout_pairs);
  }
  for (const auto& [op, count] : found) {
    if (count != expected[op])
      report.differences.push_back(op + ": " + std::to_string(count) + ", forecast " +
                                   std::to_string(expected[op]));
    expected.erase(op);
  }
  for (const auto& [op, count] : expected)
    report.differences.push_back(op + ": 0, forecast " + std::to_string(count));
}

std::vector<OperatorTime> count_operators(const Graph& graph) {
  std::vector<NodeTime> nodes;
  for (const Node& node : graph.nodes) nodes.push_back(NodeTime{node.name, node.op_type, {}});
  auto operators = times_by_operator(nodes);
  std::ranges::stable_sort(operators, std::ranges::greater(), &OperatorTime::nodes);
  return operators;
}

void measure(const std::vector<NodeTime>& times, LintReport& report) {
  std::unordered_map<std::string, nanoseconds> by_name;
  nanoseconds all{};
  for (const NodeTime& time : times) {
    by_name[time.node] += time.median;
    all += time.median;
  }
  report.time = all;
  report.operators = times_by_operator(times);
  for (MeasuredFinding& measured : report.findings) {
    nanoseconds sum{};
    for (const std::string& pair : measured.finding.pairs) {
      const auto found = by_name.find(pair);
      if (found != by_name.end()) sum += found->second;
    }
    measured.time = sum;
    if (all.count() > 0)
      measured.share = static_cast<double>(sum.count()) / static_cast<double>(all.count());
  }
  std::ranges::stable_sort(report.findings, std::ranges::greater(), &MeasuredFinding::time);
}

}  // namespace

LintReport lint_model(const Model& model, std::span<const NamedTensor> inputs,
                      const ProfileConfig& config) {
  Model typed = model;
  sort_topologically(typed.graph);
  write_value_types(typed);
  const FusionForecast forecast = forecast_fusion(typed);
  const Model optimized = optimized_model(model);
  LintReport report;
  compare(forecast, optimized, report);
  for (LintFinding& finding : explain_leftovers(as_it_runs(optimized, forecast)))
    report.findings.push_back(MeasuredFinding{std::move(finding), {}, 0.0});
  for (LintFinding& finding : lint_qdq(typed)) {
    // Left-overs were found in the graph that runs; this is what is to be said besides.
    if (finding.pairs.empty())
      report.findings.push_back(MeasuredFinding{std::move(finding), {}, 0.0});
  }
  report.operators = count_operators(optimized.graph);
  if (!inputs.empty()) {
    report.kernels = profile_nodes(model, inputs, config);
    measure(report.kernels, report);
  }
  return report;
}

Json to_json(const LintReport& report) {
  const auto microseconds = [](const std::optional<nanoseconds>& time) -> Json {
    if (!time) return nullptr;
    return static_cast<double>(time->count()) / 1e3;
  };
  Json json;
  json["quantize_left"] = report.quantize_nodes;
  json["dequantize_left"] = report.dequantize_nodes;
  json["layout_pairs"] = report.layout_pairs;
  json["forecast_differences"] = report.differences;
  json["time_us"] = microseconds(report.time);
  json["findings"] = Json::array();
  for (const MeasuredFinding& measured : report.findings) {
    Json one = to_json(measured.finding);
    one["time_us"] = microseconds(measured.time);
    one["share"] = measured.share;
    json["findings"].push_back(std::move(one));
  }
  json["operators"] = Json::array();
  for (const OperatorTime& op : report.operators) {
    json["operators"].push_back({{"op", op.op_type},
                                 {"nodes", op.nodes},
                                 {"time_us", static_cast<double>(op.total.count()) / 1e3},
                                 {"share", op.share}});
  }
  return json;
}

}  // namespace planish
