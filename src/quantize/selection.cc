#include "quantize/selection.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <unordered_set>

#include "quantize/conversion_costs.h"
#include "quantize/hard_sigmoid.h"

namespace planish::quantize_detail {
namespace {

struct ReasonRow {
  LeaveReason reason = LeaveReason::kNone;
  std::string_view name = {};
  std::string_view text = {};
};

constexpr std::array kReasons{
    ReasonRow{LeaveReason::kNone, "none", ""},
    ReasonRow{LeaveReason::kNoRule, "no-rule", "this operator has no quantized form"},
    ReasonRow{LeaveReason::kNotSelected, "not-selected", "its type is not among those asked for"},
    ReasonRow{LeaveReason::kExcluded, "excluded", "left out by name"},
    ReasonRow{LeaveReason::kNoIntegerKernel, "no-integer-kernel",
              "a CPU gains nothing from it in integers"},
    ReasonRow{LeaveReason::kNotFed, "not-fed", "no quantized node feeds it"},
    ReasonRow{LeaveReason::kNotRead, "not-read", "no quantized node reads what it moves"},
    ReasonRow{LeaveReason::kNotFloat, "not-float", "its data is not float"},
    ReasonRow{LeaveReason::kWeightNotConstant, "weight-not-constant",
              "it multiplies two activations"},
    ReasonRow{LeaveReason::kBiasNotConstant, "bias-not-constant", "its bias is computed"},
    ReasonRow{LeaveReason::kOpsetTooOld, "opset-too-old",
              "it has no integer form in the model's opset"},
    ReasonRow{LeaveReason::kNoRange, "no-range", "the calibration has no range for"},
    ReasonRow{LeaveReason::kUnsupportedForm, "unsupported-form",
              "the integer operator does not have its"},
    ReasonRow{LeaveReason::kNotFused, "not-fused",
              "ONNX Runtime would leave the Q/DQ nodes around it:"},
    ReasonRow{LeaveReason::kCostsMore, "costs-more",
              "converting its values costs more than its integers save"},
};

constexpr bool reasons_are_in_order() {
  for (std::size_t i = 0; i < kReasons.size(); ++i) {
    if (static_cast<std::size_t>(kReasons.at(i).reason) != i) return false;
  }
  return kReasons.size() == static_cast<std::size_t>(LeaveReason::kCostsMore) + 1;
}
static_assert(reasons_are_in_order(), "kReasons: one row per LeaveReason, in enum order");

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

bool is_admitted_type(const std::string& op_type, const QuantizationConfig& config) {
  if (!config.op_types.empty()) return contains(config.op_types, op_type);
  const OpRule* rule = find_op_rule(op_type);
  if (rule == nullptr) return false;
  if (config.mode == QuantizationMode::kStatic) {
    const bool is_best = config.profile == QuantizationProfile::kBest;
    return is_static_by_default(*rule) || (is_best && rule->best != BestUse::kLeave);
  }
  return is_dynamic_by_default(*rule);
}

/// A constant scalar; nothing when it is computed.
std::optional<float> constant_scalar(const GraphFacts& facts, const std::string& name) {
  const Tensor* constant = facts.constant_value(name);
  if (constant == nullptr || constant->element_count() != 1 || !row_of(constant->dtype()).is_float)
    return std::nullopt;
  return constant->to_floats().front();
}

/// A tensor that can be an integer activation on a CPU: its scale is float32 there.
bool is_float32(const GraphFacts& facts, const std::string& name) {
  return facts.dtype(name) == DType::kFloat32;
}

/// What keeps a node out of the best profile, if anything does.
struct Obstacle {
  LeaveReason reason = LeaveReason::kNone;
  std::string detail = {};
};

/// MatMul of two activations, as attention has it, where that is asked for.
bool multiplies_activations(const Node& node, const GraphFacts& facts,
                            const QuantizationConfig& config) {
  return node.op_type == "MatMul" && config.matmul_const_b_only == false &&
         facts.constant(node.input(0)) == nullptr && facts.constant(node.input(1)) == nullptr;
}

Obstacle matrix_obstacle(const Node& node, const GraphFacts& facts,
                         const QuantizationConfig& config) {
  const Initializer* weight = facts.constant(node.input(1));
  if (!is_float32(facts, node.input(0))) return {LeaveReason::kNotFloat};
  if (multiplies_activations(node, facts, config)) {
    return is_float32(facts, node.input(1)) ? Obstacle{} : Obstacle{LeaveReason::kNotFloat};
  }
  if (weight == nullptr || facts.constant(node.input(0)) != nullptr)
    return {LeaveReason::kWeightNotConstant};
  if (weight->value.dtype() != DType::kFloat32) return {LeaveReason::kNotFloat};
  if (node.op_type == "MatMul") {
    if (weight->value.rank() < 2) return {LeaveReason::kUnsupportedForm, "vector as a matrix"};
    return {};
  }
  const std::string& bias = node.input(2);
  if (!bias.empty() && facts.constant(bias) == nullptr) return {LeaveReason::kBiasNotConstant};
  if (node.op_type != "Gemm") return {};
  // ONNX Runtime adds an int32 bias to the bare sum of products.
  if (node.float_attribute("alpha", 1.0F) != 1.0F) return {LeaveReason::kUnsupportedForm, "alpha"};
  if (node.int_attribute("transA", 0) != 0) return {LeaveReason::kUnsupportedForm, "transA"};
  if (bias.empty()) return {};
  const float beta = node.float_attribute("beta", 1.0F);
  if (beta != 1.0F && beta != 0.0F) return {LeaveReason::kUnsupportedForm, "beta"};
  const auto columns = weight->value.dims()[node.int_attribute("transB", 0) != 0 ? 0 : 1];
  const auto count = static_cast<std::int64_t>(facts.constant(bias)->value.element_count());
  if (count != columns) return {LeaveReason::kUnsupportedForm, "broadcast bias"};
  return {};
}

Obstacle form_obstacle(const Node& node, const GraphFacts& facts) {
  const auto unsupported = [](const char* what) {
    return Obstacle{LeaveReason::kUnsupportedForm, what};
  };
  if (node.op_type == "Resize" && node.string_attribute("mode", "nearest") != "nearest")
    return unsupported("interpolation");
  // 0 is exact under every range; another value may lie outside of the input's.
  if (node.op_type == "Pad" && !node.input(2).empty() &&
      constant_scalar(facts, node.input(2)) != 0.0F)
    return unsupported("pad value");
  if (node.op_type == "MaxPool" && node.outputs.size() > 1) return unsupported("second output");
  if (node.op_type == "AveragePool" && node.find_attribute("dilations") != nullptr)
    return unsupported("dilations");
  if ((node.op_type == "Add" || node.op_type == "Mul") &&
      facts.constant(node.input(0)) != nullptr && facts.constant(node.input(1)) != nullptr)
    return {LeaveReason::kNotFed};
  if (node.op_type == "Clip" && !range_implies_clamp(node, facts))
    return unsupported("bounds that do not hold 0");
  return {};
}

/// The inputs of `node` that are data, not indices, shapes or bounds.
std::vector<std::string> data_inputs(const Node& node) {
  if (node.op_type == "Add" || node.op_type == "Mul" || node.op_type == "Concat")
    return node.inputs;
  return {node.input(0)};
}

class BestSelection {
 public:
  BestSelection(const Graph& graph, const GraphFacts& facts, const QuantizationConfig& config,
                const Ranges* ranges, std::int64_t opset, std::vector<NodeDecision>& decisions)
      : graph_(graph),
        facts_(facts),
        config_(config),
        ranges_(ranges),
        opset_(opset),
        decisions_(decisions),
        costs_(graph, facts),
        in_(graph.nodes.size(), false),
        fixed_(graph.nodes.size(), false) {}

  void run() {
    std::vector<std::size_t> candidates;
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (decisions_[i].action != NodeAction::kQuantize) continue;
      Obstacle obstacle = own_obstacle(graph_.nodes[i]);
      if (obstacle.reason == LeaveReason::kNone && use_of(i) == BestUse::kCompute)
        obstacle = range_obstacle(graph_.nodes[i]);
      if (obstacle.reason != LeaveReason::kNone) {
        leave(decisions_[i], obstacle.reason, obstacle.detail);
      } else if (use_of(i) == BestUse::kCompute) {
        in_[i] = true;
      } else {
        candidates.push_back(i);
      }
    }
    spread(candidates);
    if (quantize_before_turning(candidates)) spread(candidates);
    give_back(candidates);
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (in_[i] && writes_floats(i)) decisions_[i].float_output = true;
    }
  }

 private:
  [[nodiscard]] BestUse use_of(std::size_t i) const {
    return find_op_rule(graph_.nodes[i].op_type)->best;
  }

  [[nodiscard]] Obstacle own_obstacle(const Node& node) const {
    const OpRule* rule = find_op_rule(node.op_type);
    if (rule == nullptr || !node.domain.empty()) return {LeaveReason::kNoRule};
    const bool qoperator = config_.format == QuantizationFormat::kQOperator;
    if (rule->best == BestUse::kLeave || (rule->best == BestUse::kMoveInQOperator && !qoperator))
      return {LeaveReason::kNoIntegerKernel};
    if (qoperator && rule->qoperator == QOperatorRule::kNone) return {LeaveReason::kNoRule};
    if (qoperator && rule->qoperator == QOperatorRule::kGather) return {LeaveReason::kNoRule};
    if (opset_ < rule->min_opset) return {LeaveReason::kOpsetTooOld};
    if (rule->best == BestUse::kCompute) {
      const Obstacle matrix = matrix_obstacle(node, facts_, config_);
      if (matrix.reason != LeaveReason::kNone) return matrix;
    } else {
      for (const std::string& input : data_inputs(node)) {
        if (!is_float32(facts_, input)) return {LeaveReason::kNotFloat};
      }
      const Obstacle form = form_obstacle(node, facts_);
      if (form.reason != LeaveReason::kNone) return form;
    }
    return {};
  }

  /// Tensors whose range the node needs and nothing gives it.
  [[nodiscard]] Obstacle range_obstacle(const Node& node) const {
    if (ranges_ == nullptr) return {};
    const OpRule& rule = *find_op_rule(node.op_type);
    if (rule.qdq == QdqRule::kHardSigmoid) {
      if (!has_range(node.input(0))) return {LeaveReason::kNoRange, "'" + node.input(0) + "'"};
      const bool fits = hard_sigmoid_form(node, graph_, facts_, *ranges_, config_).has_value();
      return fits ? Obstacle{} : Obstacle{LeaveReason::kUnsupportedForm, "scale of the input"};
    }
    std::vector<std::string> needed;
    if (rule.best == BestUse::kCompute) needed.push_back(node.input(0));
    if (multiplies_activations(node, facts_, config_)) needed.push_back(node.input(1));
    if (!shares_params(rule)) needed.push_back(node.output(0));
    for (const std::string& tensor : needed) {
      if (!has_range(tensor)) return {LeaveReason::kNoRange, "'" + tensor + "'"};
    }
    return {};
  }

  /// Whether the operator's outputs have the parameters of its input in the format asked for.
  [[nodiscard]] bool shares_params(const OpRule& rule) const {
    if (config_.format == QuantizationFormat::kQOperator) {
      return rule.qoperator == QOperatorRule::kShares || rule.qoperator == QOperatorRule::kPad ||
             rule.qoperator == QOperatorRule::kSplit;
    }
    return rule.qdq == QdqRule::kShares || rule.qdq == QdqRule::kSplit ||
           rule.qdq == QdqRule::kGather;
  }

  [[nodiscard]] bool has_range(const std::string& tensor) const {
    return ranges_->contains(tensor);
  }

  [[nodiscard]] std::optional<std::size_t> maker(const std::string& tensor) const {
    const auto node = facts_.index().producer(tensor);
    return node && in_[*node] ? node : std::nullopt;
  }

  /// MatMul and Gemm have kernels that write floats: what follows them need not be quantized.
  [[nodiscard]] static bool may_write_floats(const Node& node) {
    return node.op_type == "MatMul" || node.op_type == "Gemm";
  }

  /// Whether integers reach node `i`, so that its integer kernel saves conversions.
  [[nodiscard]] bool is_fed(std::size_t i) const {
    const Node& node = graph_.nodes[i];
    const std::vector<std::string> inputs = data_inputs(node);
    if (inputs.size() == 1) return maker(inputs[0]).has_value();
    bool all = true;
    for (const std::string& input : inputs) {
      const auto made_by = maker(input);
      all = all && made_by.has_value();
      if (!made_by || may_write_floats(graph_.nodes[*made_by])) continue;
      return has_operand_ranges(inputs);
    }
    return all;
  }

  /// Float operands must be quantized too, so they need ranges.
  [[nodiscard]] bool has_operand_ranges(const std::vector<std::string>& inputs) const {
    if (ranges_ == nullptr) return true;
    return std::ranges::all_of(inputs, [&](const std::string& input) {
      return facts_.constant(input) != nullptr || maker(input) || has_range(input);
    });
  }

  void spread(const std::vector<std::size_t>& candidates) {
    bool grew = true;
    while (grew) {
      grew = false;
      for (const std::size_t i : candidates) {
        if (in_[i] || !is_fed(i)) continue;
        if (range_obstacle(graph_.nodes[i]).reason != LeaveReason::kNone) continue;
        take(i);
        grew = true;
      }
    }
    for (const std::size_t i : candidates) {
      if (in_[i]) continue;
      const Obstacle obstacle =
          is_fed(i) ? range_obstacle(graph_.nodes[i]) : Obstacle{LeaveReason::kNotFed};
      leave(decisions_[i], obstacle.reason, obstacle.detail);
    }
  }

  void take(std::size_t i) {
    in_[i] = true;
    decisions_[i] = {.node = decisions_[i].node, .op_type = decisions_[i].op_type};
    decisions_[i].action = NodeAction::kQuantize;
    decisions_[i].quantized = true;
  }

  /// Takes each Transpose of a graph output whose result would be quantized, be it behind a clamp
  /// or other axes of size 1. Whether there was any.
  bool quantize_before_turning(const std::vector<std::size_t>& candidates) {
    std::vector<bool> leads_to_integers(graph_.nodes.size(), false);
    bool any = false;
    for (auto at = candidates.rbegin(); at != candidates.rend(); ++at) {
      const Node& node = graph_.nodes[*at];
      const bool passes_on = find_op_rule(node.op_type)->qdq == QdqRule::kClamp ||
                             node.op_type == "Unsqueeze" || node.op_type == "Squeeze";
      if (in_[*at] || (node.op_type != "Transpose" && !passes_on)) continue;
      leads_to_integers[*at] = is_read_by(*at, in_) || is_read_by(*at, leads_to_integers);
      if (!leads_to_integers[*at] || !turns_graph_output(node, facts_)) continue;
      if (ranges_ != nullptr && !has_range(node.input(0))) continue;
      take(*at);
      fixed_[*at] = true;
      any = true;
    }
    return any;
  }

  [[nodiscard]] bool is_read(std::size_t i) const { return is_read_by(i, in_); }

  /// Whether one of the nodes flagged in `readers` reads node `i`.
  [[nodiscard]] bool is_read_by(std::size_t i, const std::vector<bool>& readers) const {
    for (const std::string& output : graph_.nodes[i].outputs) {
      for (const Use& use : facts_.index().uses(output)) {
        if (use.input != Use::kBySubgraph && readers[use.node]) return true;
      }
    }
    return false;
  }

  /// A clamp behind a matrix product that could write floats is worth its pair only when read.
  [[nodiscard]] bool must_be_read(std::size_t i) const {
    if (use_of(i) == BestUse::kMove || use_of(i) == BestUse::kMoveInQOperator) return true;
    const Node& node = graph_.nodes[i];
    const auto made_by = maker(node.input(0));
    return find_op_rule(node.op_type)->qdq == QdqRule::kClamp && made_by &&
           may_write_floats(graph_.nodes[*made_by]);
  }

  void give_back(const std::vector<std::size_t>& candidates) {
    bool shrank = true;
    while (shrank) {
      shrank = false;
      for (auto at = candidates.rbegin(); at != candidates.rend(); ++at) {
        if (!in_[*at]) continue;
        const bool is_lost = must_be_read(*at) && !is_read(*at);
        if (!is_lost && !costs_more(*at)) continue;
        in_[*at] = false;
        leave(decisions_[*at], is_lost ? LeaveReason::kNotRead : LeaveReason::kCostsMore);
        shrank = true;
      }
    }
  }

  /// Whether the conversions around candidate `i` cost more than its integers save, and it may be
  /// left: its readers on integers then need ranges. Choices of the user are taken at their word.
  /// While ranges are only asked for, nothing is: either way must be open to the plan.
  [[nodiscard]] bool costs_more(std::size_t i) const {
    if (ranges_ == nullptr || fixed_[i] || config_.force_data_movement ||
        !config_.include_nodes.empty() || !config_.op_types.empty())
      return false;
    const Node& node = graph_.nodes[i];
    const bool clamps = find_op_rule(node.op_type)->qdq == QdqRule::kClamp;
    if (clamps && !has_range(node.input(0))) return false;
    const auto can_be_read = [&](const std::string& output) {
      return output.empty() || has_range(output);
    };
    if (is_read(i) && !std::ranges::all_of(node.outputs, can_be_read)) return false;
    return costs_.loss_of(i, in_).value_or(0.0) > 0.0;
  }

  [[nodiscard]] bool writes_floats(std::size_t i) const {
    return may_write_floats(graph_.nodes[i]) && !is_read(i);
  }

  const Graph& graph_;
  const GraphFacts& facts_;
  const QuantizationConfig& config_;
  const Ranges* ranges_;
  std::int64_t opset_;
  std::vector<NodeDecision>& decisions_;
  ConversionCosts costs_;
  std::vector<bool> in_;
  std::vector<bool> fixed_;  // must be quantized, whatever it costs
};

}  // namespace

std::string explain(LeaveReason reason, const std::string& detail) {
  const auto text = std::string(kReasons.at(static_cast<std::size_t>(reason)).text);
  return detail.empty() ? text : text + " " + detail;
}

void leave(NodeDecision& decision, LeaveReason reason, const std::string& detail) {
  decision.action = NodeAction::kLeave;
  decision.quantized = false;
  decision.float_output = false;
  decision.code = reason;
  decision.reason = explain(reason, detail);
}

std::vector<NodeDecision> admitted_nodes(const Graph& graph, const QuantizationConfig& config) {
  const std::unordered_set<std::string> excluded(config.exclude_nodes.begin(),
                                                 config.exclude_nodes.end());
  const std::unordered_set<std::string> included(config.include_nodes.begin(),
                                                 config.include_nodes.end());
  std::vector<NodeDecision> decisions;
  decisions.reserve(graph.nodes.size());
  for (const Node& node : graph.nodes) {
    NodeDecision& decision = decisions.emplace_back();
    decision.node = node.name;
    decision.op_type = node.op_type;
    if (node.op_type == "QuantizeLinear" || node.op_type == "DequantizeLinear") {
      leave(decision, LeaveReason::kNotFloat);
    } else if (!is_admitted_type(node.op_type, config)) {
      const bool has_rule = find_op_rule(node.op_type) != nullptr;
      leave(decision, has_rule ? LeaveReason::kNotSelected : LeaveReason::kNoRule);
    } else if (excluded.contains(node.name) ||
               (!included.empty() && !included.contains(node.name))) {
      leave(decision, LeaveReason::kExcluded);
    } else {
      decision.action = NodeAction::kQuantize;
      decision.quantized = true;
    }
  }
  return decisions;
}

void select_best_static(const Model& model, const GraphFacts& facts,
                        const QuantizationConfig& config, const Ranges* ranges,
                        std::vector<NodeDecision>& decisions) {
  BestSelection(model.graph, facts, config, ranges, model.opset(), decisions).run();
}

std::vector<bool> taken(const std::vector<NodeDecision>& decisions) {
  std::vector<bool> flags;
  flags.reserve(decisions.size());
  for (const NodeDecision& decision : decisions) {
    flags.push_back(decision.action != NodeAction::kLeave);
  }
  return flags;
}

bool turns_graph_output(const Node& node, const GraphFacts& facts) {
  return node.op_type == "Transpose" && facts.index().is_graph_output(node.input(0));
}

bool range_implies_clamp(const Node& clamp, const GraphFacts& facts) {
  if (clamp.op_type == "Relu") return true;
  // Below opset 11 the bounds are attributes.
  float low = clamp.float_attribute("min", std::numeric_limits<float>::lowest());
  float high = clamp.float_attribute("max", std::numeric_limits<float>::max());
  if (!clamp.input(1).empty()) {
    const auto bound = constant_scalar(facts, clamp.input(1));
    if (!bound) return false;
    low = *bound;
  }
  if (!clamp.input(2).empty()) {
    const auto bound = constant_scalar(facts, clamp.input(2));
    if (!bound) return false;
    high = *bound;
  }
  return low <= 0.0F && high >= 0.0F;
}

}  // namespace planish::quantize_detail

namespace planish {
std::string_view name_of(LeaveReason reason) {
  return quantize_detail::kReasons.at(static_cast<std::size_t>(reason)).name;
}
}  // namespace planish
