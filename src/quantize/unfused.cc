#include "quantize/unfused.h"

#include <algorithm>
#include <unordered_set>

#include "planish/quantize/op_rules.h"

namespace planish::quantize_detail {

namespace {

/// Not one that moves or cuts elements: such a node may be quantized to keep the QuantizeLinear
/// behind it from being moved before it, and to leave it gains nothing.
bool computes(const Node& node) {
  const OpRule* rule = find_op_rule(node.op_type);
  return rule != nullptr && rule->best != BestUse::kMove && rule->qdq != QdqRule::kClamp;
}

}  // namespace

bool expects_fusion(const QuantizationConfig& config) {
  const bool narrow = config.activation == DType::kUInt8 || config.activation == DType::kInt8;
  return config.profile == QuantizationProfile::kBest && config.mode == QuantizationMode::kStatic &&
         config.format == QuantizationFormat::kQdq && narrow && config.tensor_overrides.empty() &&
         config.include_nodes.empty() && config.exclude_output_types.empty() &&
         !config.contrib_qdq && !config.qdq_pair_on_weights && !config.dedicated_qdq_pairs &&
         config.quantize_bias && !config.keep_removable_activations && !config.force_data_movement;
}

std::map<std::string, FusionObstacle> unfused_nodes(const QuantizationPlan& plan,
                                                    const Model& quantized) {
  std::map<std::string, std::size_t> planned;  // how often a name is there
  for (const NodeDecision& node : plan.nodes) {
    if (!node.node.empty()) planned[node.node] += node.action == NodeAction::kQuantize ? 1 : 2;
  }
  const bool is_signed = plan.config.activation == DType::kInt8;
  const FusionForecast forecast = forecast_fusion(quantized, {.signed_activations = is_signed});
  std::unordered_set<std::string> dequantized;
  for (const FusedNode& fused : forecast.nodes) {
    if (fused.node.op_type == "DequantizeLinear") dequantized.insert(fused.node.output(0));
  }
  std::map<std::string, FusionObstacle> unfused;
  for (const FusedNode& fused : forecast.nodes) {
    if (!fused.source) continue;
    // By the name that it had: a MatMul that becomes a Gemm gets another.
    const std::string& name = quantized.graph.nodes[*fused.source].name;
    const auto found = planned.find(name);
    const bool is_planned = found != planned.end() && found->second == 1 && computes(fused.node);
    if (!is_planned || fused.obstacle == FusionObstacle::kNone) continue;
    const bool reads_floats = std::ranges::any_of(
        fused.node.inputs, [&](const std::string& input) { return dequantized.contains(input); });
    if (reads_floats) unfused.emplace(name, fused.obstacle);
  }
  return unfused;
}

}  // namespace planish::quantize_detail
