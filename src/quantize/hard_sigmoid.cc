#include "quantize/hard_sigmoid.h"

#include <algorithm>
#include <cmath>

#include "planish/quantize/op_rules.h"
#include "quantize/overrides.h"

namespace planish::quantize_detail {
namespace {

// ONNX's defaults.
constexpr float kDefaultAlpha = 0.2F;
constexpr float kDefaultBeta = 0.5F;

bool is_product_with_gate(const Node& node, const std::string& x, const std::string& gate) {
  if (!node.is("Mul")) return false;
  return (node.input(0) == x && node.input(1) == gate) ||
         (node.input(0) == gate && node.input(1) == x);
}

/// Nothing when a second HardSigmoid reads the same input.
std::optional<GateReaders> readers_of(const Node& gate, const Graph& graph,
                                      const GraphFacts& facts) {
  const std::string& x = gate.input(0);
  if (facts.index().has_single_use(x)) return GateReaders::kGateOnly;
  bool others = facts.index().is_graph_output(x);
  for (const Use& use : facts.index().uses(x)) {
    const Node& reader = graph.nodes[use.node];
    if (reader.output(0) == gate.output(0)) continue;
    if (reader.is("HardSigmoid")) return std::nullopt;
    others =
        others || use.input == Use::kBySubgraph || !is_product_with_gate(reader, x, gate.output(0));
  }
  return others ? GateReaders::kOthers : GateReaders::kGateAndProduct;
}

}  // namespace

bool chooses_output_params(const Node& maker) {
  const OpRule* rule = find_op_rule(maker.op_type);
  if (rule == nullptr) return false;
  switch (rule->qdq) {
    case QdqRule::kEveryTensor:
    case QdqRule::kWeighted:
    case QdqRule::kMatMul:
      return rule->qoperator != QOperatorRule::kSoftmax;
    default:
      return false;
  }
}

bool allows_given_params(const QuantizationConfig& config) {
  return row_of(config.activation).bits == 8 && !config.symmetric_activations &&
         !config.restricted_zero_points && !config.min_real_range && !config.dedicated_qdq_pairs;
}

std::optional<HardSigmoidForm> hard_sigmoid_form(float alpha, float beta, TensorRange range,
                                                 DType dtype, GateReaders readers) {
  if (!(alpha > 0) || !(beta > 0) || !std::isfinite(alpha) || !std::isfinite(beta))
    return std::nullopt;
  const IntegerLimits limits = integer_limits(dtype);
  const double steps = limits.max - limits.min;
  const double zero_at = beta / static_cast<double>(alpha);  // y is 0 up to x = -zero_at
  double low = std::min<double>(range.min, -zero_at);
  double high = std::max<double>(range.max, 0);
  if (readers != GateReaders::kOthers) low = -zero_at;
  if (readers == GateReaders::kGateOnly) high = std::min(high, std::max(1.0 - beta, 0.0) / alpha);
  // Integers below and above the zero point; the last half step rounds into the range.
  const auto below = [&](double n) { return std::ceil(-low * n / zero_at - 0.5); };
  const auto above = [&](double n) { return std::ceil(high * n / zero_at - 0.5); };
  double n = std::min(steps, std::floor(zero_at * (steps + 1) / (high - low)));
  while (n >= 1 && below(n) + above(n) > steps) --n;
  if (!(n >= 1)) return std::nullopt;
  HardSigmoidForm form;
  const auto zero = static_cast<std::int32_t>(std::max(below(n), n));
  form.input = {static_cast<float>(zero_at / n), limits.min + zero, dtype};
  form.output = {static_cast<float>(beta / n), form.input.zero_point - static_cast<std::int32_t>(n),
                 dtype};
  const double one = form.output.zero_point + std::rint(n / beta);
  form.bounds = {form.output.zero_point,
                 static_cast<std::int32_t>(std::min<double>(one, limits.max))};
  return form;
}

std::optional<HardSigmoidForm> hard_sigmoid_form(const Node& gate, const Graph& graph,
                                                 const GraphFacts& facts, const Ranges& ranges,
                                                 const QuantizationConfig& config) {
  if (!gate.is("HardSigmoid") || !allows_given_params(config)) return std::nullopt;
  if (override_of(config, gate.input(0)) != nullptr ||
      override_of(config, gate.output(0)) != nullptr)
    return std::nullopt;
  const Node* maker = facts.producer(gate.input(0));
  if (maker == nullptr || !chooses_output_params(*maker)) return std::nullopt;
  const auto readers = readers_of(gate, graph, facts);
  const auto range = ranges.find(gate.input(0));
  if (!readers || range == ranges.end()) return std::nullopt;
  return hard_sigmoid_form(gate.float_attribute("alpha", kDefaultAlpha),
                           gate.float_attribute("beta", kDefaultBeta), range->second,
                           config.activation, *readers);
}

GivenParamsMap params_given_by_hard_sigmoids(const Graph& graph, const GraphFacts& facts,
                                             const Ranges& ranges, const QuantizationConfig& config,
                                             const std::vector<NodeDecision>& decisions) {
  GivenParamsMap given;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (decisions[i].action == NodeAction::kLeave) continue;
    const Node& gate = graph.nodes[i];
    const auto form = hard_sigmoid_form(gate, graph, facts, ranges, config);
    if (!form) continue;
    given[gate.input(0)] = {form->input, {}};
    given[gate.output(0)] = {form->output, IntegerClamp{gate.input(0), form->bounds}};
  }
  return given;
}

}  // namespace planish::quantize_detail
