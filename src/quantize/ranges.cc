#include "quantize/ranges.h"

#include "planish/base/error.h"
#include "planish/quantize/op_rules.h"
#include "quantize/overrides.h"
#include "quantize/weights.h"

namespace planish::quantize_detail {
namespace {

bool is_clamp(const Node& node) { return node.op_type == "Relu" || node.op_type == "Clip"; }

/// Whether every element of the outputs lies between two elements of input 0 (or is 0).
bool keeps_range(const Node& node) {
  const OpRule* rule = find_op_rule(node.op_type);
  if (rule == nullptr || node.string_attribute("mode", "") == "cubic") return false;
  return rule->qdq == QdqRule::kShares || rule->qdq == QdqRule::kSplit ||
         rule->qdq == QdqRule::kGather;
}

/// Tensors that only move elements need no range of their own in the table.
void add_derived_ranges(const Graph& graph, const GraphFacts& facts, Ranges& ranges) {
  for (const Node& node : graph.nodes) {
    const auto source = ranges.find(node.input(0));
    if (source == ranges.end() || !keeps_range(node)) continue;
    const TensorRange range = source->second;
    for (const std::string& output : node.outputs) {
      if (facts.is_float(output)) ranges.emplace(output, range);
    }
  }
}

QuantizationParams params_of(const std::string& tensor, const ParamsOverride* set,
                             TensorRange range, DType scale_dtype,
                             const QuantizationConfig& config) {
  ParamsOptions options{.symmetry = data_symmetry(config),
                        .min_real_range = config.min_real_range,
                        .restrict_zero_point = config.restricted_zero_points,
                        .scale_dtype = scale_dtype};
  if (set != nullptr) override_options(*set, options);
  const DType dtype = set == nullptr ? config.activation : set->dtype.value_or(config.activation);
  return in_context("'" + tensor + "'",
                    [&] { return overridden_params(set, range, dtype, options); });
}

}  // namespace

Ranges adjusted_ranges(const Graph& graph, const GraphFacts& facts, const CalibrationTable& table,
                       const std::vector<bool>& selected, QuantizationProfile profile) {
  Ranges ranges = table.ranges;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (!selected[i]) continue;
    if (node.op_type == "Softmax") {
      ranges[node.output(0)] = TensorRange{0.0F, 1.0F};
      continue;
    }
    if (!is_clamp(node) || facts.index().uses(node.input(0)).size() != 1) continue;
    const auto after = ranges.find(node.output(0));
    if (after == ranges.end()) continue;
    if (profile == QuantizationProfile::kOnnxRuntime132 && !ranges.contains(node.input(0)))
      continue;
    // A graph output is read by the caller too, who wants the values that the clamp cuts off.
    if (profile == QuantizationProfile::kBest && facts.index().is_graph_output(node.input(0)))
      continue;
    const TensorRange range = after->second;
    ranges[node.input(0)] = range;
  }
  if (profile == QuantizationProfile::kBest) add_derived_ranges(graph, facts, ranges);
  return ranges;
}

QuantizationParams activation_params(const std::string& tensor, TensorRange range,
                                     DType scale_dtype, const QuantizationConfig& config) {
  const TensorOverride* set = override_of(config, tensor);
  return params_of(tensor, set == nullptr ? nullptr : &set->params.front(), range, scale_dtype,
                   config);
}

QuantizationParams converted_params(const std::string& tensor, TensorRange range, DType scale_dtype,
                                    const QuantizationConfig& config) {
  return params_of(tensor, &override_of(config, tensor)->convert->params, range, scale_dtype,
                   config);
}

}  // namespace planish::quantize_detail
