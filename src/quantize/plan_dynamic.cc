// Plans dynamic quantization: weights now, activations when the model runs.
#include <algorithm>
#include <span>
#include <unordered_set>
#include <utility>

#include "planish/graph/bodies.h"
#include "planish/graph/graph_index.h"
#include "planish/quantize/op_rules.h"
#include "quantize/gemm_split.h"
#include "quantize/overrides.h"
#include "quantize/planners.h"
#include "quantize/reduce_ranges.h"
#include "quantize/selection.h"
#include "quantize/weights.h"

namespace planish::quantize_detail {
namespace {

/// Under profile best the others gain nothing: ConvInteger is slow, the rest only moves data.
bool pays_in_dynamic_mode(DynamicRule rule) {
  return rule == DynamicRule::kMatMul || rule == DynamicRule::kAttention ||
         rule == DynamicRule::kLstm;
}

/// `on` are about the nodes of a graph; `split` about those of `split_graph`, which it became.
void carry_back(const Graph& split_graph, std::span<const std::size_t> origin,
                const std::vector<NodeDecision>& split, std::vector<NodeDecision>& on) {
  for (std::size_t i = 0; i < origin.size(); ++i) {
    const std::string& op_type = split_graph.nodes[i].op_type;
    NodeDecision& decision = on[origin[i]];
    if (decision.op_type == "Gemm" && op_type != "MatMul" && op_type != "Gemm") continue;
    const NodeDecision of = std::exchange(decision, split[i]);
    decision.node = of.node;
    decision.op_type = of.op_type;
  }
}

class DynamicPlanner {
 public:
  /// `model`: with Gemms split; decisions are about its nodes. `around`: of the graph whose body
  /// it is (opened), else null.
  DynamicPlanner(const Model& model, const QuantizationConfig& config,
                 std::vector<NodeDecision> decisions, DynamicPlanner* around = nullptr)
      : model_(model),
        graph_(model.graph),
        facts_(model.graph),
        config_(config),
        decisions_(std::move(decisions)),
        around_(around) {}

  void run() {
    for (std::size_t i = 0; i < decisions_.size(); ++i) decide_if_admitted(i);
  }

  /// Of a graph with bodies, each planned when its node is reached: what it makes integers of
  /// outside is that for the nodes behind it too. `source`: before its Gemms were split.
  void run_with_bodies(const SplitOrigin& origin, const Graph& source) {
    auto next = origin.bodies.begin();
    for (std::size_t i = 0; i < decisions_.size(); ++i) {
      for (; next != origin.bodies.end() && next->place.node == i; ++next)
        plan_body(*next, {origin.nodes[i], next->place.attribute, next->place.position}, source);
      decide_if_admitted(i);
    }
  }

  [[nodiscard]] const std::vector<NodeDecision>& decisions() const { return decisions_; }
  [[nodiscard]] std::vector<TensorPlan> take_tensors() { return std::move(tensors_); }
  [[nodiscard]] std::vector<BodyPlan> take_bodies() { return std::move(bodies_); }

 private:
  void plan_body(const SplitOrigin& origin, BodyPlace place, const Graph& source) {
    const Model body = open_body(model_, facts_.index(), origin.place);
    const Graph& source_body = body_at(source, place);
    DynamicPlanner inner(body, config_, admitted_nodes(body.graph, config_), this);
    inner.own_ = names_defined_in(body_at(graph_, origin.place));
    inner.run_with_bodies(origin, source_body);
    QuantizationPlan plan;
    plan.config = config_;
    plan.nodes = admitted_nodes(source_body, config_);
    carry_back(body.graph, origin.nodes, inner.decisions_, plan.nodes);
    plan.tensors = inner.take_tensors();
    plan.bodies = inner.take_bodies();
    bodies_.push_back({std::move(place), std::move(plan)});
  }

  void decide_if_admitted(std::size_t i) {
    if (decisions_[i].action == NodeAction::kQuantize) decide(i);
  }

  void decide(std::size_t i) {
    const Node& node = graph_.nodes[i];
    const OpRule* rule = find_op_rule(node.op_type);
    const DynamicRule form = rule == nullptr ? DynamicRule::kNone : rule->dynamic;
    if (form == DynamicRule::kNone) return leave(decisions_[i], LeaveReason::kNoRule);
    if (config_.profile == QuantizationProfile::kBest && !pays_in_dynamic_mode(form))
      return leave(decisions_[i], LeaveReason::kNoIntegerKernel);
    switch (form) {
      case DynamicRule::kNone:
        return;
      case DynamicRule::kMatMul:
        return decide_matmul(i);
      case DynamicRule::kConv:
        return decide_conv(i);
      case DynamicRule::kAttention:
        return decide_attention(i);
      case DynamicRule::kLstm:
        return decide_lstm(i);
      case DynamicRule::kShares:
        if (!facts_.is_float(node.input(0))) return leave(decisions_[i], LeaveReason::kNotFloat);
        if (!owner_of(node.input(0)).integers_.contains(node.input(0)))
          return leave(decisions_[i], LeaveReason::kNotFed);
        integers_.insert(node.output(0));
        return;
      case DynamicRule::kGather:
        if (!facts_.is_float_constant(node.input(0)))
          return leave(decisions_[i], LeaveReason::kNotFloat);
        make_integer(node.input(0));
        integers_.insert(node.output(0));
        return;
      case DynamicRule::kEmbedLayerNorm:
        return decide_embedding(i);
    }
  }

  void decide_matmul(std::size_t i) {
    const Node& node = graph_.nodes[i];
    // Gemms that could not be split.
    if (node.op_type == "Gemm")
      return leave(decisions_[i], LeaveReason::kUnsupportedForm, "scaling");
    if (!facts_.is_float(node.input(0)) && !facts_.is_float(node.input(1)))
      return leave(decisions_[i], LeaveReason::kNotFloat);
    const Initializer* weight = facts_.constant(node.input(1));
    if (weight == nullptr && config_.matmul_const_b_only.value_or(true))
      return leave(decisions_[i], LeaveReason::kWeightNotConstant);
    if (config_.profile == QuantizationProfile::kBest && weight != nullptr &&
        weight->value.rank() != 2 && config_.weights == Granularity::kPerChannel)
      return leave(decisions_[i], LeaveReason::kUnsupportedForm, "weight of another rank than 2");
    make_integer(node.input(0));
    make_weight(node.input(1), -1, config_.weight);
  }

  void decide_conv(std::size_t i) {
    const Node& node = graph_.nodes[i];
    if (!facts_.is_float(node.input(0))) return leave(decisions_[i], LeaveReason::kNotFloat);
    // A computed kernel is measured like data; its rank is not known for the shape of the bias.
    if (facts_.constant(node.input(1)) == nullptr && node.inputs.size() > 2)
      return leave(decisions_[i], LeaveReason::kWeightNotConstant);
    make_integer(node.input(0));
    make_weight(node.input(1), std::nullopt, config_.weight);
  }

  void decide_attention(std::size_t i) {
    const Node& node = graph_.nodes[i];
    if (node.find_attribute("qkv_hidden_sizes") != nullptr)
      return leave(decisions_[i], LeaveReason::kUnsupportedForm, "sizes per head");
    if (!is_parity() && facts_.constant(node.input(1)) == nullptr)
      return leave(decisions_[i], LeaveReason::kWeightNotConstant);
    make_integer(node.input(0));
    make_weight(node.input(1), -1, config_.weight);
  }

  /// W [directions, 4H, I], R [directions, 4H, H]: a scale per row, or per direction.
  void decide_lstm(std::size_t i) {
    const Node& node = graph_.nodes[i];
    if (!facts_.is_float(node.input(0))) return leave(decisions_[i], LeaveReason::kNotFloat);
    for (const std::size_t k : {1U, 2U}) {
      const Initializer* weight = facts_.constant(node.input(k));
      if (weight == nullptr || !facts_.is_float(node.input(k)))
        return leave(decisions_[i], LeaveReason::kWeightNotConstant);
      if (weight->value.rank() != 3)
        return leave(decisions_[i], LeaveReason::kUnsupportedForm,
                     "weights of another rank than 3");
    }
    for (const std::size_t k : {1U, 2U}) make_lstm_weight(node.input(k));
  }

  void make_lstm_weight(const std::string& name) {
    if (DynamicPlanner& owner = owner_of(name); &owner != this) return owner.make_lstm_weight(name);
    if (integers_.contains(name)) return;
    Initializer weight = *facts_.constant(name);
    if (config_.weights == Granularity::kPerChannel) {
      const auto& dims = weight.value.dims();
      weight.value = weight.value.reshaped({dims[0] * dims[1], dims[2]});
    }
    InitializerRule rule{.role = TensorRole::kWeight, .axis = 0};
    rule.dtype = dtype_of(config_, name, DType::kInt8);
    rule.symmetry = weight_symmetry(config_, rule.dtype);
    if (config_.reduce_range) rule.integers = IntegerRange::kReduced;
    add(plan_initializer(weight, rule, config_));
  }

  void decide_embedding(std::size_t i) {
    const Node& node = graph_.nodes[i];
    if (node.outputs.size() > 2)
      return leave(decisions_[i], LeaveReason::kUnsupportedForm, "third output");
    for (std::size_t k = 2; k <= 6; ++k) {
      if (!node.input(k).empty()) make_integer(node.input(k));
    }
  }

  [[nodiscard]] bool is_parity() const {
    return config_.profile == QuantizationProfile::kOnnxRuntime132;
  }

  void add(TensorPlan tensor) {
    integers_.insert(tensor.tensor);
    tensors_.push_back(std::move(tensor));
  }

  /// The planner of the graph that has `tensor`: its integers are made there.
  DynamicPlanner& owner_of(const std::string& tensor) {
    return around_ == nullptr || own_.contains(tensor) ? *this : around_->owner_of(tensor);
  }

  /// Constants are planned; others are measured at run time.
  void make_integer(const std::string& tensor) {
    if (DynamicPlanner& owner = owner_of(tensor); &owner != this) return owner.make_integer(tensor);
    if (integers_.contains(tensor)) return;
    const Initializer* constant = facts_.constant(tensor);
    if (constant != nullptr) return add(plan_operand(*constant, config_));
    integers_.insert(tensor);
  }

  void make_weight(const std::string& tensor, std::optional<std::int64_t> axis, DType dtype) {
    if (DynamicPlanner& owner = owner_of(tensor); &owner != this)
      return owner.make_weight(tensor, axis, dtype);
    if (integers_.contains(tensor)) return;
    const Initializer* constant = facts_.constant(tensor);
    if (constant == nullptr) return make_integer(tensor);
    add(plan_weight(*constant, axis, dtype, config_));
  }

  const Model& model_;
  const Graph& graph_;
  GraphFacts facts_;
  const QuantizationConfig& config_;
  std::vector<NodeDecision> decisions_;
  std::vector<TensorPlan> tensors_;
  std::vector<BodyPlan> bodies_;
  std::unordered_set<std::string> integers_;
  DynamicPlanner* const around_;
  std::unordered_set<std::string> own_;  // names that the body itself has; of bodies only
};

/// A Gemm is wanted when its type or MatMul is, and its name does not speak against it.
std::vector<NodeDecision> admit_gemms(const Graph& graph, const QuantizationConfig& config) {
  QuantizationConfig with_gemm = config;
  const bool has_matmul = std::ranges::count(config.op_types, "MatMul") > 0;
  if (config.op_types.empty()) {
    for (const OpRule& rule : kOpRules) {
      if (rule.dynamic != DynamicRule::kNone) with_gemm.op_types.emplace_back(rule.op_type);
    }
  } else if (has_matmul) {
    with_gemm.op_types.emplace_back("Gemm");
  }
  return admitted_nodes(graph, with_gemm);
}

/// Of what is stored transposed the overrides hold too; its two axes have changed places.
QuantizationConfig with_transposed_overrides(const QuantizationConfig& config,
                                             const SplitModel& split) {
  QuantizationConfig result = config;
  for (const auto& [source, transposed] : split.transposed) {
    const TensorOverride* set = override_of(config, source);
    if (set == nullptr) continue;
    TensorOverride& copy = result.tensor_overrides[transposed];
    copy = *set;
    if (copy.axis) copy.axis = *copy.axis == 0 || *copy.axis == -2 ? 1 : 0;
  }
  return result;
}

}  // namespace

QuantizationPlan plan_dynamic(PlanInput input) {
  const bool is_parity = input.is_parity();
  std::vector<NodeDecision> decisions = admit_gemms(input.model.graph, input.config);
  const std::vector<bool> wanted =
      is_parity ? std::vector<bool>(decisions.size(), true) : taken(decisions);
  const SplitModel split =
      split_gemms(input.model, wanted, is_parity ? BodySplit::kAll : BodySplit::kNone);
  // ONNX Runtime looks for the names of the split nodes in the user's lists.
  std::vector<NodeDecision> split_decisions = admitted_nodes(split.model.graph, input.config);
  for (std::size_t i = 0; i < split_decisions.size() && !is_parity; ++i) {
    const Node& node = split.model.graph.nodes[i];
    const bool is_product = node.op_type == "MatMul" || node.op_type == "Gemm";
    if (is_product) split_decisions[i] = decisions[split.origin.nodes[i]];
  }
  const QuantizationConfig config = with_transposed_overrides(input.config, split);
  DynamicPlanner planner(split.model, config, std::move(split_decisions));
  // Profile best plans bodies as models of their own (body_plans.h).
  if (is_parity && config.bodies.value_or(false)) {
    planner.run_with_bodies(split.origin, input.model.graph);
  } else {
    planner.run();
  }
  carry_back(split.model.graph, split.origin.nodes, planner.decisions(), decisions);
  QuantizationPlan plan;
  plan.config = input.config;
  plan.nodes = std::move(decisions);
  plan.tensors = planner.take_tensors();
  plan.bodies = planner.take_bodies();
  plan.reductions = reduce_ranges(split.model.graph, planner.decisions(), input.config,
                                  plan.tensors, plan.biases);
  return plan;
}

}  // namespace planish::quantize_detail
