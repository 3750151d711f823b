// Plans integer operators. Walks the nodes once, in order, knowing which values are integers by
// then: whether a node is replaced depends on what was replaced before it.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "planish/base/error.h"
#include "planish/quantize/op_rules.h"
#include "quantize/names.h"
#include "quantize/planners.h"
#include "quantize/selection.h"
#include "quantize/weights.h"

namespace planish::quantize_detail {
namespace {

class QOperatorPlanner {
 public:
  explicit QOperatorPlanner(PlanInput input)
      : in_(std::move(input)), facts_(in_.facts), config_(in_.config), namer_(in_.model.graph) {
    plan_.config = config_;
  }

  QuantizationPlan run() {
    for (std::size_t i = 0; i < in_.decisions.size(); ++i) {
      if (in_.decisions[i].action == NodeAction::kQuantize) decide(i);
    }
    // A weight that two nodes read may have been raised by the second.
    if (!in_.is_parity()) {
      for (BiasPlan& bias : plan_.biases) give_scales(bias);
    }
    plan_.nodes = std::move(in_.decisions);
    return std::move(plan_);
  }

 private:
  [[nodiscard]] const Node& node(std::size_t i) const { return in_.model.graph.nodes[i]; }

  void decide(std::size_t i) {
    const OpRule* rule = find_op_rule(node(i).op_type);
    const QOperatorRule form = rule == nullptr ? QOperatorRule::kNone : rule->qoperator;
    if (form == QOperatorRule::kNone) return leave(in_.decisions[i], LeaveReason::kNoRule);
    if (in_.model.opset() < rule->min_opset)
      return leave(in_.decisions[i], LeaveReason::kOpsetTooOld);
    if (!has_float_data(node(i), form)) return leave(in_.decisions[i], LeaveReason::kNotFloat);
    switch (form) {
      case QOperatorRule::kNone:
        return;
      case QOperatorRule::kConv:
      case QOperatorRule::kGemm:
      case QOperatorRule::kMatMul:
        return decide_matrix(i, *rule);
      case QOperatorRule::kBinary:
        return decide_inputs_and_output(i, {0, 1});
      case QOperatorRule::kUnary:
      case QOperatorRule::kSoftmax:
        return decide_inputs_and_output(i, {0});
      case QOperatorRule::kConcat: {
        std::vector<std::size_t> all;
        for (std::size_t k = 0; k < node(i).inputs.size(); ++k) all.push_back(k);
        return decide_inputs_and_output(i, all);
      }
      case QOperatorRule::kWhere:
        if (!config_.force_data_movement) return leave(in_.decisions[i], LeaveReason::kNotFed);
        return decide_inputs_and_output(i, {1, 2});
      case QOperatorRule::kGlobalPool:
        return decide_global_pool(i);
      case QOperatorRule::kClamp:
        return decide_clamp(i);
      case QOperatorRule::kShares:
        return decide_shares(i);
      case QOperatorRule::kPad:
        return decide_if_fed(i, in_.model.opset() >= 11);
      case QOperatorRule::kArgMax:
        if (!is_integer(node(i).input(0))) leave(in_.decisions[i], LeaveReason::kNotFed);
        return;
      case QOperatorRule::kSplit:
        return decide_split(i);
      case QOperatorRule::kGather:
        return decide_gather(i);
      case QOperatorRule::kEmbedLayerNorm:
        return decide_embedding(i);
      case QOperatorRule::kHardSigmoid:
        return decide_hard_sigmoid(i);
    }
  }

  [[nodiscard]] bool has_float_data(const Node& of, QOperatorRule form) const {
    switch (form) {
      case QOperatorRule::kGemm:
      case QOperatorRule::kMatMul:
        return facts_.is_float(of.input(0)) || facts_.is_float(of.input(1));
      case QOperatorRule::kGather:
        return facts_.is_float_constant(of.input(0));
      case QOperatorRule::kWhere:
      case QOperatorRule::kEmbedLayerNorm:
        return true;
      default:
        return facts_.is_float(of.input(0));
    }
  }

  // --- decisions ---------------------------------------------------------------------------------

  /// Whether `tensor` is, or can be made, integers.
  [[nodiscard]] bool is_integer(const std::string& tensor) const {
    return integers_.contains(tensor);
  }
  [[nodiscard]] bool can_be_integer(const std::string& tensor) const {
    if (is_integer(tensor) || facts_.is_float_constant(tensor)) return true;
    return facts_.constant(tensor) == nullptr && has_range(tensor);
  }
  [[nodiscard]] bool has_range(const std::string& tensor) const {
    return in_.ranges.contains(tensor);
  }

  void decide_matrix(std::size_t i, const OpRule& rule) {
    const Node& of = node(i);
    const bool constant_weight = facts_.constant(of.input(1)) != nullptr;
    const bool const_only = config_.matmul_const_b_only.value_or(false);
    if (rule.qoperator != QOperatorRule::kConv && const_only && !constant_weight)
      return leave(in_.decisions[i], LeaveReason::kWeightNotConstant);
    for (const std::string* tensor : {&of.input(0), &of.input(1)}) {
      if (!can_be_integer(*tensor))
        return leave(in_.decisions[i], LeaveReason::kNoRange, "'" + *tensor + "'");
    }
    if (!has_range(of.output(0)))
      return leave(in_.decisions[i], LeaveReason::kNoRange, "'" + of.output(0) + "'");
    const bool has_bias = rule.qoperator != QOperatorRule::kMatMul && !of.input(2).empty();
    if (has_bias && !facts_.is_float_constant(of.input(2)))
      return leave(in_.decisions[i], LeaveReason::kBiasNotConstant);
    make_integer(of.input(0));
    if (constant_weight) {
      make_weight(of, rule);
    } else {
      make_integer(of.input(1));
    }
    if (has_bias) plan_bias(i);
    own_output(of.output(0));
  }

  void decide_inputs_and_output(std::size_t i, const std::vector<std::size_t>& inputs) {
    const Node& of = node(i);
    if (const std::string* source = in_.source_of(of.output(0))) return reread(i, *source);
    for (const std::size_t k : inputs) {
      if (!can_be_integer(of.input(k)))
        return leave(in_.decisions[i], LeaveReason::kNoRange, "'" + of.input(k) + "'");
    }
    if (!has_range(of.output(0)))
      return leave(in_.decisions[i], LeaveReason::kNoRange, "'" + of.output(0) + "'");
    for (const std::size_t k : inputs) make_integer(of.input(k));
    own_output(of.output(0));
    if (of.op_type == "Softmax") fix_output_scale(config_.activation == DType::kUInt8 ? 0 : -128);
    if (of.op_type == "Sigmoid" && config_.nnapi_sigmoid) fix_output_scale(0);
  }

  /// Outputs in [0, 1] are multiples of 1/256 there, whatever was observed.
  void fix_output_scale(std::int32_t zero) {
    TensorPlan& output = plan_.tensors.back();
    output.params = {{1.0F / 256.0F, zero, config_.activation}};
    output.dtype = config_.activation;
  }

  void decide_global_pool(std::size_t i) {
    const Node& of = node(i);
    if (!is_integer(of.input(0))) return leave(in_.decisions[i], LeaveReason::kNotFed);
    if (has_range(of.output(0))) {
      own_output(of.output(0));
    } else {
      share(of.output(0), of.input(0));
    }
  }

  void decide_clamp(std::size_t i) {
    const Node& of = node(i);
    if (!is_integer(of.input(0))) return leave(in_.decisions[i], LeaveReason::kNotFed);
    if (config_.symmetric_activations)
      return leave(in_.decisions[i], LeaveReason::kNoIntegerKernel);
    // ONNX Runtime drops it also where other nodes read the unclamped values, whose range is then
    // not the clamped one: values below 0 get through a dropped Relu.
    if (!in_.is_parity() && (!facts_.index().has_single_use(of.input(0)) ||
                             !has_range(of.output(0)) || !range_implies_clamp(of, facts_)))
      return leave(in_.decisions[i], LeaveReason::kUnsupportedForm, "second reader of the input");
    in_.decisions[i].action = NodeAction::kAbsorb;
    share(of.output(0), of.input(0));
  }

  void decide_hard_sigmoid(std::size_t i) {
    const std::string* source = in_.source_of(node(i).output(0));
    if (source == nullptr) return leave(in_.decisions[i], LeaveReason::kNoRule);
    reread(i, *source);
  }

  /// The integers of `source`, which stand for the output of `i` as well.
  void reread(std::size_t i, const std::string& source) {
    if (!is_integer(source)) return leave(in_.decisions[i], LeaveReason::kNotFed);
    in_.decisions[i].action = NodeAction::kReread;
    own_output(node(i).output(0));
  }

  void decide_shares(std::size_t i) {
    const Node& of = node(i);
    const bool turns_output = !in_.is_parity() && turns_graph_output(of, facts_);
    if (turns_output) make_integer(of.input(0));
    if (turns_output || !config_.force_data_movement) return decide_if_fed(i, true);
    // As ONNX Runtime: forced only where the data is a constant.
    if (!facts_.is_float_constant(of.input(0)))
      return leave(in_.decisions[i], LeaveReason::kNotFloat);
    make_integer(of.input(0));
    share(of.output(0), of.input(0));
  }

  void decide_if_fed(std::size_t i, bool opset_is_new_enough) {
    const Node& of = node(i);
    if (!opset_is_new_enough) return leave(in_.decisions[i], LeaveReason::kOpsetTooOld);
    if (!is_integer(of.input(0))) return leave(in_.decisions[i], LeaveReason::kNotFed);
    share(of.output(0), of.input(0));
  }

  void decide_split(std::size_t i) {
    const Node& of = node(i);
    if (!can_be_integer(of.input(0)))
      return leave(in_.decisions[i], LeaveReason::kNoRange, "'" + of.input(0) + "'");
    make_integer(of.input(0));
    for (const std::string& output : of.outputs) share(output, of.input(0));
  }

  void decide_gather(std::size_t i) {
    make_integer(node(i).input(0));
    share(node(i).output(0), node(i).input(0));
  }

  /// [ids, segments, word, position, segment tables, gamma, beta, mask?]
  void decide_embedding(std::size_t i) {
    const Node& of = node(i);
    if (of.outputs.size() > 2)
      return leave(in_.decisions[i], LeaveReason::kUnsupportedForm, "third output");
    for (std::size_t k = 2; k <= 6; ++k) {
      if (!of.input(k).empty() && !can_be_integer(of.input(k)))
        return leave(in_.decisions[i], LeaveReason::kNoRange, "'" + of.input(k) + "'");
    }
    for (std::size_t k = 2; k <= 6; ++k) {
      if (!of.input(k).empty()) make_integer(of.input(k));
    }
  }

  // --- tensors -----------------------------------------------------------------------------------

  void add(TensorPlan tensor) {
    integers_.emplace(tensor.tensor, plan_.tensors.size());
    plan_.tensors.push_back(std::move(tensor));
  }

  void share(const std::string& tensor, const std::string& with) {
    const TensorPlan& provider = plan_.tensors[integers_.at(with)];
    add(TensorPlan{.tensor = tensor,
                   .role = TensorRole::kActivation,
                   .dtype = provider.dtype,
                   .scale_dtype = provider.scale_dtype,
                   .params = {},
                   .axis = {},
                   .shares = with,
                   .range = {}});
  }

  void own_output(const std::string& tensor) {
    const DType dtype = facts_.dtype(tensor);
    add(in_.activation(tensor, dtype == DType::kFloat16 ? dtype : DType::kFloat32));
  }

  /// A data input: constants in the activation type.
  void make_integer(const std::string& tensor) {
    if (is_integer(tensor)) return;
    const Initializer* constant = facts_.constant(tensor);
    if (constant == nullptr) return own_output(tensor);
    add(plan_operand(*constant, config_));
  }

  void make_weight(const Node& of, const OpRule& rule) {
    const std::string& tensor = of.input(1);
    if (is_integer(tensor)) return;
    QuantizationConfig config = config_;
    // QLinearMatMul takes a scale per column from matrices only.
    const bool has_columns = in_.is_parity() || rule.qoperator != QOperatorRule::kMatMul ||
                             facts_.constant(tensor)->value.rank() == 2;
    const bool is_read_twice =
        !in_.is_parity() && has_two_channel_axes(tensor, in_.model.graph, facts_);
    if (!has_columns || is_read_twice) config.weights = Granularity::kPerTensor;
    // Convolution kernels with a scale per channel take signed weights only.
    const bool must_be_signed =
        rule.qoperator == QOperatorRule::kConv && config_.weights == Granularity::kPerChannel;
    const DType dtype = must_be_signed ? DType::kInt8 : config_.weight;
    add(plan_weight(*facts_.constant(tensor), weight_axis(of, rule), dtype, config));
  }

  [[nodiscard]] static std::int64_t weight_axis(const Node& of, const OpRule& rule) {
    if (rule.qoperator == QOperatorRule::kMatMul) return -1;
    if (rule.qoperator == QOperatorRule::kGemm && of.int_attribute("transB", 0) > 0) return 0;
    return rule.channel_axis;
  }

  void plan_bias(std::size_t i) {
    const Node& of = node(i);
    const std::string& name = of.input(2);
    BiasPlan bias{.node = i, .bias = name, .copy = name};
    if (in_.is_parity()) {
      // ONNX Runtime uses the integers of the first reader, whatever their scale.
      if (integers_.contains(name) || biases_.contains(name)) return;
    } else if (facts_.index().uses(name).size() > 1) {
      bias.copy = namer_.copy_of(name);
    }
    biases_.insert(name);
    TensorPlan& weight = plan_.tensors[integers_.at(of.input(1))];
    const float input_scale = root_of(of.input(0)).params.front().scale;
    const Tensor& values = facts_.constant(name)->value;
    const bool is_weight = weight.role == TensorRole::kWeight;
    if (in_.is_parity()) {
      if (is_weight && config_.weight == DType::kInt8)
        adjust_weight_for_bias(weight, input_scale, values, HalfRounding::kNearest);
    } else if (is_weight && config_.adjust_weights_for_bias) {
      make_room_for_bias(weight, input_scale, facts_.constant(of.input(1))->value, values);
    }
    bias.zeroed = beta_of(of) == 0.0F;
    bias.scale_dtype = facts_.dtype(name);
    give_scales(bias);
    plan_.biases.push_back(std::move(bias));
  }

  [[nodiscard]] static float beta_of(const Node& of) {
    return of.op_type == "Gemm" ? of.float_attribute("beta", 1.0F) : 1.0F;
  }

  void give_scales(BiasPlan& bias) const {
    const Node& of = node(bias.node);
    bias.scales = bias_scales(root_of(of.input(0)).params.front().scale, root_of(of.input(1)),
                              bias.zeroed ? 1.0F : beta_of(of), bias.scale_dtype);
  }

  [[nodiscard]] const TensorPlan& root_of(const std::string& tensor) const {
    const TensorPlan* plan = &plan_.tensors[integers_.at(tensor)];
    while (!plan->shares.empty()) plan = &plan_.tensors[integers_.at(plan->shares)];
    return *plan;
  }

  PlanInput in_;
  const GraphFacts& facts_;
  const QuantizationConfig& config_;
  Namer namer_;
  QuantizationPlan plan_;
  std::unordered_map<std::string, std::size_t> integers_;  // tensor → its plan
  std::unordered_set<std::string> biases_;
};

}  // namespace

QuantizationPlan plan_qoperator(PlanInput input) {
  return QOperatorPlanner(std::move(input)).run();
}

}  // namespace planish::quantize_detail
