#include "planish/quantize/plan.h"

#include <algorithm>
#include <map>
#include <set>

#include "planish/base/error.h"
#include "planish/graph/graph_index.h"
#include "quantize/body_plans.h"
#include "quantize/keep_floats.h"
#include "quantize/name_clashes.h"
#include "quantize/opset_raise.h"
#include "quantize/overrides.h"
#include "quantize/planners.h"
#include "quantize/reduce_ranges.h"
#include "quantize/scalar_affine.h"
#include "quantize/selection.h"
#include "quantize/unfused.h"

namespace planish {
namespace {

using quantize_detail::GraphFacts;
using quantize_detail::PlanInput;
using quantize_detail::Ranges;

bool is_dynamic(const QuantizationConfig& config) {
  return config.mode == QuantizationMode::kDynamic;
}

bool is_best(const QuantizationConfig& config) {
  return config.profile == QuantizationProfile::kBest;
}

bool plans_bodies(const QuantizationConfig& config) {
  return is_best(config) && config.bodies.value_or(true);
}

struct NeededOpset {
  std::int64_t version = 10;
  std::string what = "quantized operators";
};

NeededOpset needed_opset(const QuantizationConfig& config) {
  NeededOpset needed;
  const auto ask = [&](std::int64_t version, const char* reason) {
    if (version > needed.version) needed = {version, reason};
  };
  if (is_dynamic(config)) ask(11, "DynamicQuantizeLinear");
  const bool qdq = !is_dynamic(config) && config.format == QuantizationFormat::kQdq;
  if (qdq && config.weights == Granularity::kPerChannel && is_best(config))
    ask(13, "DequantizeLinear with one scale per channel");
  const bool wide = config.activation == DType::kUInt16 || config.activation == DType::kInt16 ||
                    config.weight == DType::kUInt16 || config.weight == DType::kInt16 ||
                    quantize_detail::overrides_to_16_bits(config.tensor_overrides);
  if (wide && !config.contrib_qdq) ask(21, "QuantizeLinear to 16 bits");
  return needed;
}

void require_opset(const Model& model, const QuantizationConfig& config) {
  const NeededOpset needed = needed_opset(config);
  if (model.opset() >= needed.version) return;
  throw Error(ErrorCode::kUnsupported,
              "the model is of opset " + std::to_string(model.opset()) + "; " + needed.what +
                  " needs " + std::to_string(needed.version) + ": raise the model's opset");
}

/// The newest opset that profile best raises models to, rewriting what has another form there.
constexpr std::int64_t kRaisedByBest = 13;

/// Profile onnxruntime-1.32 raises the opset as its Python quantizer does.
bool must_be_raised(const Model& model, const QuantizationConfig& config) {
  if (!is_best(config))
    return quantize_detail::raised_opset(model.opset(), config) != model.opset();
  const std::int64_t needed = needed_opset(config).version;
  return model.opset() < needed && needed <= kRaisedByBest;
}

Model raised(const Model& model, const QuantizationConfig& config) {
  if (is_best(config)) {
    return quantize_detail::raise_opset(model, needed_opset(config).version,
                                        quantize_detail::OtherForms::kRewrite);
  }
  return quantize_detail::raise_opset(model, quantize_detail::raised_opset(model.opset(), config));
}

/// CPUs have no kernels between float16 and integers: of a model with float16 weights alone profile
/// best would leave every node.
void require_float32(const Model& model, const GraphFacts& facts) {
  const Node* halves = nullptr;
  for (const Node& node : model.graph.nodes) {
    if (!node.is("Conv") && !node.is("MatMul") && !node.is("Gemm")) continue;
    const Initializer* weight = facts.constant(node.input(1));
    if (weight == nullptr) continue;
    if (weight->value.dtype() == DType::kFloat32) return;
    if (weight->value.dtype() == DType::kFloat16 && halves == nullptr) halves = &node;
  }
  if (halves == nullptr) return;
  throw Error(ErrorCode::kUnsupported,
              "the model has float16 weights ('" + halves->input(1) +
                  "'); expected float32: quantize the model it was made from, or convert it to "
                  "float32 first");
}

Ranges ranges_of(const Model& model, const GraphFacts& facts, const CalibrationTable& table,
                 const QuantizationConfig& config, const std::vector<NodeDecision>& decisions) {
  return quantize_detail::adjusted_ranges(model.graph, facts, table,
                                          quantize_detail::taken(decisions), config.profile);
}

/// What the calibrators of ONNX Runtime observe: all float values around the admitted types.
void add_observed_by_peer(const Model& model, const GraphFacts& facts,
                          const QuantizationConfig& config, std::set<std::string>& targets) {
  QuantizationConfig by_type = config;
  by_type.exclude_nodes.clear();
  by_type.include_nodes.clear();
  const auto admitted = quantize_detail::admitted_nodes(model.graph, by_type);
  for (std::size_t i = 0; i < admitted.size(); ++i) {
    if (admitted[i].action == NodeAction::kLeave) continue;
    const Node& node = model.graph.nodes[i];
    for (const auto* names : {&node.inputs, &node.outputs}) {
      for (const std::string& name : *names) {
        if (facts.is_float(name) && facts.constant(name) == nullptr) targets.insert(name);
      }
    }
  }
}

/// Values around the nodes that profile best takes, but for those whose parameters follow from
/// another tensor: outputs that share, and what only a clamp reads.
void add_needed(const Model& model, const GraphFacts& facts, const QuantizationConfig& config,
                std::set<std::string>& targets) {
  auto decisions = quantize_detail::admitted_nodes(model.graph, config);
  quantize_detail::select_best_static(model, facts, config, nullptr, decisions);
  std::set<std::string> derived;
  for (std::size_t i = 0; i < decisions.size(); ++i) {
    if (decisions[i].action == NodeAction::kLeave) continue;
    const Node& node = model.graph.nodes[i];
    const OpRule& rule = *find_op_rule(node.op_type);
    const bool is_pool = node.op_type == "AveragePool";  // has a range of its own in QOperator
    if ((rule.qdq == QdqRule::kShares && !is_pool) || rule.qdq == QdqRule::kSplit) {
      derived.insert(node.outputs.begin(), node.outputs.end());
    }
    if (rule.qdq == QdqRule::kClamp && facts.index().has_single_use(node.input(0))) {
      derived.insert(node.input(0));
    }
    for (const auto* names : {&node.inputs, &node.outputs}) {
      for (const std::string& name : *names) {
        if (facts.is_float(name) && facts.constant(name) == nullptr) targets.insert(name);
      }
    }
  }
  for (const std::string& name : derived) targets.erase(name);
}

QuantizationPlan plan_static(const Model& model, const GraphFacts& facts,
                             const CalibrationTable& table, const QuantizationConfig& config) {
  auto decisions = quantize_detail::admitted_nodes(model.graph, config);
  const Ranges ranges = ranges_of(model, facts, table, config, decisions);
  if (is_best(config))
    quantize_detail::select_best_static(model, facts, config, &ranges, decisions);
  PlanInput input{model, facts, config, ranges, std::move(decisions), {}};
  if (is_best(config)) {
    input.given = quantize_detail::params_given_by_hard_sigmoids(model.graph, facts, ranges, config,
                                                                 input.decisions);
    quantize_detail::give_params_around_scalars(model.graph, facts, ranges, config, input.decisions,
                                                input.given);
  }
  QuantizationPlan plan = config.format == QuantizationFormat::kQdq
                              ? quantize_detail::plan_qdq(std::move(input))
                              : quantize_detail::plan_qoperator(std::move(input));
  plan.reductions =
      quantize_detail::reduce_ranges(model.graph, plan.nodes, config, plan.tensors, plan.biases);
  return plan;
}

/// `plan` without the nodes that ONNX Runtime would run in float all the same. Leaving one may take
/// from its neighbours what they fuse with, so this is asked again. A plan that cannot be applied
/// stays: apply() says why.
QuantizationPlan without_unfused(const Model& model, const GraphFacts& facts,
                                 const CalibrationTable& table, QuantizationPlan plan) {
  constexpr int kMaxRounds = 4;
  const QuantizationConfig config = plan.config;
  if (!quantize_detail::expects_fusion(config)) return plan;
  QuantizationConfig narrower = config;
  std::map<std::string, FusionObstacle> left;
  for (int round = 0; round < kMaxRounds; ++round) {
    std::map<std::string, FusionObstacle> unfused;
    try {
      unfused = quantize_detail::unfused_nodes(plan, apply(plan, model));
    } catch (const Error&) {
      break;
    }
    if (unfused.empty()) break;
    for (const auto& [node, obstacle] : unfused) {
      narrower.exclude_nodes.push_back(node);
      left.emplace(node, obstacle);
    }
    plan = plan_static(model, facts, table, narrower);
  }
  plan.config = config;
  for (NodeDecision& decision : plan.nodes) {
    const auto found = left.find(decision.node);
    if (found == left.end() || decision.quantized) continue;
    quantize_detail::leave(decision, LeaveReason::kNotFused, std::string(text_of(found->second)));
  }
  return plan;
}

}  // namespace

const std::string* quantize_detail::PlanInput::source_of(const std::string& tensor) const {
  const auto found = given.find(tensor);
  return found == given.end() || !found->second.clamp ? nullptr : &found->second.clamp->of;
}

TensorPlan quantize_detail::PlanInput::activation(const std::string& tensor,
                                                  DType scale_dtype) const {
  TensorPlan plan{.tensor = tensor, .dtype = config.activation, .scale_dtype = scale_dtype};
  const auto range = ranges.find(tensor);
  if (range != ranges.end()) plan.range = range->second;
  if (const auto found = given.find(tensor); found != given.end()) {
    plan.params = {found->second.params};
    plan.clamp = found->second.clamp;
    return plan;
  }
  if (!plan.range) {
    throw Error(ErrorCode::kInvalidArgument,
                "the calibration has no range for '" + tensor +
                    "', which is to be quantized; calibrate this model, or exclude its nodes");
  }
  plan.params = {activation_params(tensor, *plan.range, scale_dtype, config)};
  plan.dtype = plan.params.front().dtype;
  return plan;
}

const TensorPlan* QuantizationPlan::find(std::string_view tensor) const {
  const auto found = std::ranges::find(tensors, tensor, &TensorPlan::tensor);
  return found == tensors.end() ? nullptr : &*found;
}

std::size_t quantized_nodes(const QuantizationPlan& plan) {
  return static_cast<std::size_t>(std::ranges::count_if(plan.nodes, &NodeDecision::quantized));
}

std::vector<RangeReduction> all_reductions(const QuantizationPlan& plan) {
  std::vector<RangeReduction> all;
  for (const PlacedPlan& placed : plans_in(plan))
    all.insert(all.end(), placed.plan->reductions.begin(), placed.plan->reductions.end());
  return all;
}

QuantizationPlan quantize_detail::plan_graph(const Model& model, const CalibrationTable& table,
                                             const QuantizationConfig& config) {
  const GraphFacts facts(model.graph);
  QuantizationPlan plan;
  if (is_dynamic(config)) {
    const Ranges none;
    plan = plan_dynamic(PlanInput{model, facts, config, none, {}, {}});
  } else {
    plan = without_unfused(model, facts, table, plan_static(model, facts, table, config));
  }
  if (plans_bodies(config)) plan_bodies(model, table, config, plan);
  return plan;
}

QuantizationPlan plan_quantization(const Model& model, const CalibrationTable& table,
                                   const QuantizationConfig& config) {
  validate(config);
  if (must_be_raised(model, config)) return plan_quantization(raised(model, config), table, config);
  if (is_best(config)) require_opset(model, config);
  const GraphFacts facts(model.graph);
  quantize_detail::validate_overrides(
      quantize_detail::without_overrides_of_bodies(config, model.graph), facts);
  if (is_best(config)) require_float32(model, facts);
  return quantize_detail::plan_graph(model, table, config);
}

Model apply(const QuantizationPlan& plan, const Model& model) {
  if (must_be_raised(model, plan.config)) return apply(plan, raised(model, plan.config));
  if (is_best(plan.config) && !plan.bodies.empty()) {
    QuantizationPlan around = plan;
    around.bodies.clear();
    return apply(around, quantize_detail::apply_to_bodies(plan, model));
  }
  const bool is_qdq = plan.config.format == QuantizationFormat::kQdq;
  const quantize_detail::Apply write = is_dynamic(plan.config) ? quantize_detail::apply_dynamic
                                       : is_qdq                ? quantize_detail::apply_qdq
                                                               : quantize_detail::apply_qoperator;
  // The other profile's names are the peer's, clash or not; and so is what its models become.
  if (!is_best(plan.config)) return write(plan, model);
  Model written = quantize_detail::may_clash(model.graph)
                      ? quantize_detail::apply_without_clashes(plan, model, write)
                      : write(plan, model);
  quantize_detail::keep_floats(written);
  return written;
}

std::vector<std::string> calibration_targets(const Model& model, const QuantizationConfig& config) {
  validate(config);
  if (is_dynamic(config)) return {};
  if (must_be_raised(model, config)) return calibration_targets(raised(model, config), config);
  const GraphFacts facts(model.graph);
  std::set<std::string> targets;
  if (is_best(config)) {
    add_needed(model, facts, config, targets);
    if (plans_bodies(config)) quantize_detail::add_body_targets(model, config, targets);
  } else {
    add_observed_by_peer(model, facts, config, targets);
  }
  return {targets.begin(), targets.end()};
}

}  // namespace planish
