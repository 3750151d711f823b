// Plans Q/DQ pairs. Marks tensors node by node, as ONNX Runtime 1.32 does, then gives parameters to
// what is marked: the order of marks is the order of the pairs in the new model.
#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>

#include "planish/base/error.h"
#include "quantize/names.h"
#include "quantize/planners.h"
#include "quantize/selection.h"
#include "quantize/weights.h"

namespace planish::quantize_detail {
namespace {

/// A tensor that gets a Q/DQ pair (or, a constant, a DQ).
struct Mark {
  std::string tensor = {};
  TensorRole role = TensorRole::kActivation;  // kWeight: in the weight type when it is constant
  std::optional<std::size_t> axis = {};
  std::string shares = {};
  bool dropped = false;  // its node was absorbed
};

struct BiasMark {
  std::size_t node = 0;
  std::string bias = {};
  std::string copy = {};
  std::string input = {};
  std::string weight = {};
  float beta = 1.0F;
};

class QdqPlanner {
 public:
  explicit QdqPlanner(PlanInput input)
      : in_(std::move(input)), facts_(in_.facts), config_(in_.config), namer_(in_.model.graph) {
    plan_.config = config_;
  }

  QuantizationPlan run() {
    const Graph& graph = in_.model.graph;
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
      if (in_.decisions[i].action == NodeAction::kQuantize) mark_node(i);
      if (graph.nodes[i].op_type == "DequantizeLinear") {
        for (const std::string& output : graph.nodes[i].outputs) already_.emplace(output, i);
      }
    }
    plan_initializers();
    raise_weight_scales();
    plan_own_tensors();
    plan_shared_tensors();
    plan_biases();
    plan_.nodes = std::move(in_.decisions);
    return std::move(plan_);
  }

 private:
  // --- marking -----------------------------------------------------------------------------------

  [[nodiscard]] bool is_marked(const std::string& tensor) const {
    return find_mark(tensor) != nullptr || bias_copies_.contains(tensor);
  }

  [[nodiscard]] const Mark* find_mark(const std::string& tensor) const {
    const auto found = mark_of_.find(tensor);
    return found == mark_of_.end() ? nullptr : &marks_[found->second];
  }

  /// A new mark, or nothing when the tensor has one or cannot be quantized.
  Mark* add_mark(const std::string& tensor, TensorRole role) {
    if (!facts_.is_float(tensor) || find_mark(tensor) != nullptr) return nullptr;
    mark_of_.emplace(tensor, marks_.size());
    marks_.push_back(Mark{.tensor = tensor, .role = role});
    return &marks_.back();
  }

  void mark_activation(const std::string& tensor) { add_mark(tensor, TensorRole::kActivation); }

  /// Overrides an earlier mark and keeps its place.
  void mark_shared(const std::string& output, const std::string& input) {
    if (!facts_.is_float(output)) return;
    add_mark(output, TensorRole::kActivation);
    Mark& mark = marks_[mark_of_.at(output)];
    mark.role = TensorRole::kActivation;
    mark.axis.reset();
    mark.shares = input;
  }

  void mark_weight(const std::string& tensor, std::int64_t axis, const std::string* op_type) {
    const auto channel = channel_axis(tensor, axis, op_type);
    add_mark(tensor, TensorRole::kWeight);
    if (!channel || !facts_.is_float(tensor)) return;
    Mark& mark = marks_[mark_of_.at(tensor)];
    mark.role = TensorRole::kWeight;
    mark.axis = channel;
    mark.shares.clear();
  }

  /// Nothing: one scale for the whole tensor.
  [[nodiscard]] std::optional<std::size_t> channel_axis(const std::string& tensor,
                                                        std::int64_t axis,
                                                        const std::string* op_type) const {
    const Initializer* constant = facts_.constant(tensor);
    if (constant == nullptr || config_.weights == Granularity::kPerTensor) return std::nullopt;
    if (op_type != nullptr) {
      const auto chosen = config_.channel_axes.find(*op_type);
      if (chosen != config_.channel_axes.end()) axis = chosen->second;
    }
    // Scales along anything but the last axis of B are no scales of output channels.
    if (!in_.is_parity() && op_type != nullptr && *op_type == "MatMul" &&
        constant->value.rank() != 2)
      return std::nullopt;
    return normalized_axis(axis, constant->value.rank());
  }

  void mark_bias(std::size_t node, const std::string& bias, const std::string& input,
                 const std::string& weight, float beta) {
    if (!facts_.is_float_constant(bias)) return;
    BiasMark mark{
        .node = node, .bias = bias, .copy = bias, .input = input, .weight = weight, .beta = beta};
    // Its scale follows from the other inputs, so each reader needs a bias of its own.
    if (bias_copies_.contains(bias)) mark.copy = namer_.copy_of(bias);
    bias_copies_.insert(mark.copy);
    bias_marks_.push_back(std::move(mark));
  }

  [[nodiscard]] bool output_is_marked(std::size_t i) const {
    const Node& node = in_.model.graph.nodes[i];
    return !in_.decisions[i].float_output &&
           std::ranges::find(config_.exclude_output_types, node.op_type) ==
               config_.exclude_output_types.end();
  }

  void mark_node(std::size_t i) {
    const Node& node = in_.model.graph.nodes[i];
    const OpRule* rule = find_op_rule(node.op_type);
    if (rule != nullptr && in_.model.opset() < rule->min_opset && rule->qdq == QdqRule::kShares) {
      leave(in_.decisions[i], LeaveReason::kOpsetTooOld);
      return;
    }
    switch (rule == nullptr ? QdqRule::kNone : rule->qdq) {
      case QdqRule::kNone:
      case QdqRule::kEveryTensor:
        return mark_every_tensor(i);
      case QdqRule::kWeighted:
        return mark_weighted(i, *rule);
      case QdqRule::kMatMul:
        return mark_matmul(i, *rule);
      case QdqRule::kNormalization:
        return mark_normalization(i, *rule);
      case QdqRule::kClamp:
        return mark_clamp(i);
      case QdqRule::kShares:
        return mark_sharing(i);
      case QdqRule::kPad:
        return mark_pad(i);
      case QdqRule::kSplit:
        return mark_split(i);
      case QdqRule::kGather:
        return mark_gather(i);
      case QdqRule::kWhere:
        return mark_where(i);
    }
  }

  void mark_every_tensor(std::size_t i) {
    const Node& node = in_.model.graph.nodes[i];
    for (const std::string& input : node.inputs) mark_activation(input);
    if (!output_is_marked(i)) return;
    for (const std::string& output : node.outputs) mark_activation(output);
  }

  /// Conv, ConvTranspose, Gemm.
  void mark_weighted(std::size_t i, const OpRule& rule) {
    const Node& node = in_.model.graph.nodes[i];
    mark_activation(node.input(0));
    if (output_is_marked(i)) mark_activation(node.output(0));
    const bool transposed = node.op_type == "Gemm" && node.int_attribute("transB", 0) > 0;
    mark_weight(node.input(1), transposed ? 0 : rule.channel_axis, nullptr);
    if (node.inputs.size() < 3 || node.input(2).empty()) return;
    const float beta = node.op_type == "Gemm" ? node.float_attribute("beta", 1.0F) : 1.0F;
    mark_bias(i, node.input(2), node.input(0), node.input(1), beta);
  }

  void mark_matmul(std::size_t i, const OpRule& rule) {
    const Node& node = in_.model.graph.nodes[i];
    const auto mark = [&](const std::string& tensor) {
      if (facts_.constant(tensor) != nullptr) {
        mark_weight(tensor, rule.channel_axis, &node.op_type);
      } else {
        mark_activation(tensor);
      }
    };
    for (const std::string& input : node.inputs) mark(input);
    if (!output_is_marked(i)) return;
    for (const std::string& output : node.outputs) mark(output);
  }

  void mark_normalization(std::size_t i, const OpRule& rule) {
    const Node& node = in_.model.graph.nodes[i];
    mark_activation(node.input(0));
    if (facts_.constant(node.input(1)) != nullptr) {
      mark_weight(node.input(1), rule.channel_axis, &node.op_type);
    } else {
      mark_activation(node.input(1));
    }
    if (!node.input(2).empty()) mark_bias(i, node.input(2), node.input(0), node.input(1), 1.0F);
    if (!output_is_marked(i)) return;
    for (const std::string& output : node.outputs) mark_activation(output);
  }

  /// Relu and Clip behind a quantized tensor go, and the tensor's maker writes their output.
  void mark_clamp(std::size_t i) {
    const Node& node = in_.model.graph.nodes[i];
    const std::string& input = node.input(0);
    const std::string& output = node.output(0);
    if (!is_marked(input)) return leave(in_.decisions[i], LeaveReason::kNotFed);
    if (is_removable(node, input)) {
      in_.decisions[i].action = NodeAction::kAbsorb;
      const auto mark = mark_of_.find(input);
      if (mark != mark_of_.end()) {
        marks_[mark->second].dropped = true;
        mark_of_.erase(mark);
      }
    } else {
      mark_activation(input);
    }
    if (output_is_marked(i)) mark_activation(output);
  }

  [[nodiscard]] bool is_removable(const Node& node, const std::string& input) const {
    if (config_.symmetric_activations || config_.keep_removable_activations) return false;
    if (!in_.ranges.contains(node.output(0)) || !in_.ranges.contains(input)) return false;
    if (!facts_.index().has_single_use(input) || facts_.index().is_graph_input(input)) return false;
    // A constant has no maker that could write the output instead.
    if (facts_.constant(input) != nullptr) return false;
    if (in_.is_parity()) return true;
    // Below 0 the integers would let through what Relu cuts off.
    const bool starts_at_zero = in_.ranges.find(node.output(0))->second.min >= 0.0F;
    return range_implies_clamp(node, facts_) && (node.op_type != "Relu" || starts_at_zero);
  }

  void mark_sharing(std::size_t i) {
    const Node& node = in_.model.graph.nodes[i];
    if (config_.force_data_movement) {
      mark_activation(node.input(0));
    } else if (!is_marked(node.input(0))) {
      return leave(in_.decisions[i], LeaveReason::kNotFed);
    }
    if (output_is_marked(i)) mark_shared(node.output(0), node.input(0));
  }

  void mark_pad(std::size_t i) {
    const Node& node = in_.model.graph.nodes[i];
    for (const std::string& input : node.inputs) mark_activation(input);
    if (!output_is_marked(i)) return;
    if (pads_with_representable_value(node)) {
      mark_shared(node.output(0), node.input(0));
    } else {
      mark_activation(node.output(0));
    }
  }

  /// 0 is exact under every range; the other modes repeat values of the input.
  [[nodiscard]] bool pads_with_representable_value(const Node& node) const {
    const std::string mode = node.string_attribute("mode", "constant");
    if (mode == "reflect" || mode == "edge" || mode == "wrap") return true;
    if (mode != "constant") return false;
    if (in_.model.opset() < 11) return node.float_attribute("value", 0.0F) == 0.0F;
    const std::string& value = node.input(2);
    // The Python quantizer looks for the input's type among graph values only.
    if (value.empty()) return facts_.constant(node.input(0)) == nullptr;
    if (facts_.constant(node.input(0)) != nullptr) return false;
    const Tensor* constant = facts_.constant_value(value);
    if (constant == nullptr || constant->element_count() != 1) return false;
    if (constant->dtype() != DType::kFloat32 && constant->dtype() != DType::kFloat16) return false;
    return constant->to_floats().front() == 0.0F;
  }

  void mark_split(std::size_t i) {
    const Node& node = in_.model.graph.nodes[i];
    if (!is_marked(node.input(0))) mark_activation(node.input(0));
    if (!output_is_marked(i)) return;
    for (const std::string& output : node.outputs) mark_shared(output, node.input(0));
  }

  void mark_gather(std::size_t i) {
    const Node& node = in_.model.graph.nodes[i];
    if (facts_.is_float_constant(node.input(0)) || config_.force_data_movement) {
      mark_activation(node.input(0));
      mark_shared(node.output(0), node.input(0));
    } else if (is_marked(node.input(0))) {
      mark_shared(node.output(0), node.input(0));
    } else {
      leave(in_.decisions[i], LeaveReason::kNotFed);
    }
  }

  void mark_where(std::size_t i) {
    const Node& node = in_.model.graph.nodes[i];
    if (config_.force_data_movement) {
      for (const std::size_t branch : {1U, 2U}) {
        if (!is_marked(node.input(branch))) mark_activation(node.input(branch));
      }
    } else if (!is_marked(node.input(1)) || !is_marked(node.input(2))) {
      return leave(in_.decisions[i], LeaveReason::kNotFed);
    }
    if (output_is_marked(i)) mark_activation(node.output(0));
  }

  // --- parameters --------------------------------------------------------------------------------

  void plan_initializers() {
    for (const Mark& mark : marks_) {
      const Initializer* constant = mark.dropped ? nullptr : facts_.constant(mark.tensor);
      if (constant == nullptr) continue;
      const bool is_weight = mark.role == TensorRole::kWeight;
      const DType dtype = is_weight ? config_.weight : config_.activation;
      Symmetry symmetry = is_weight                       ? weight_symmetry(config_, dtype)
                          : config_.symmetric_activations ? Symmetry::kSymmetric
                                                          : Symmetry::kAsymmetric;
      // Integer kernels take one zero point for all channels.
      if (mark.axis) symmetry = Symmetry::kSymmetric;
      const TensorRole role = is_weight ? TensorRole::kWeight : TensorRole::kConstant;
      const IntegerRange integers =
          config_.reduce_range ? IntegerRange::kReduced : IntegerRange::kFull;
      constants_.emplace(mark.tensor, plan_initializer(*constant, role, dtype, mark.axis, symmetry,
                                                       integers, config_));
    }
  }

  /// The scale that the integers of `tensor` will have; nothing when it is not quantized.
  [[nodiscard]] std::optional<float> scale_of(const std::string& tensor) const {
    const TensorPlan* plan = planned(root_of(tensor));
    if (plan != nullptr) return plan->params.front().scale;
    const auto given = already_.find(tensor);
    if (given == already_.end()) return std::nullopt;
    const Initializer* scale = facts_.constant(in_.model.graph.nodes[given->second].input(1));
    if (scale == nullptr || scale->value.element_count() != 1) return std::nullopt;
    return scale->value.to_floats().front();
  }

  /// The tensor at the end of the chain of shared parameters.
  [[nodiscard]] std::string root_of(std::string tensor) const {
    for (const Mark* mark = find_mark(tensor); mark != nullptr && !mark->shares.empty();
         mark = find_mark(tensor)) {
      tensor = mark->shares;
    }
    return tensor;
  }

  void raise_weight_scales() {
    if (!config_.adjust_weights_for_bias) return;
    for (const BiasMark& bias : bias_marks_) {
      const auto weight = constants_.find(bias.weight);
      const Mark* mark = find_mark(bias.input);
      if (weight == constants_.end() || mark == nullptr) continue;
      // ONNX Runtime takes the calibrated range of the input itself even where the input shares the
      // parameters of another tensor.
      const std::string source = in_.is_parity() ? bias.input : root_of(bias.input);
      const auto range = in_.ranges.find(source);
      if (range == in_.ranges.end()) continue;
      const float scale = activation_params(range->second, facts_.dtype(source), config_).scale;
      adjust_weight_for_bias(weight->second, scale, facts_.constant(bias.bias)->value);
    }
  }

  void plan_own_tensors() {
    for (const Mark& mark : marks_) {
      if (mark.dropped || !mark.shares.empty()) continue;
      const auto constant = constants_.find(mark.tensor);
      if (constant != constants_.end()) {
        add_tensor(constant->second);
      } else if (!already_.contains(mark.tensor)) {
        add_tensor(plan_activation(mark.tensor));
      }
    }
  }

  [[nodiscard]] TensorPlan plan_activation(const std::string& tensor) const {
    const auto range = in_.ranges.find(tensor);
    if (range == in_.ranges.end()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "the calibration has no range for '" + tensor +
                      "', which is to be quantized; calibrate this model, or exclude its nodes");
    }
    TensorPlan plan{.tensor = tensor,
                    .role = TensorRole::kActivation,
                    .dtype = config_.activation,
                    .scale_dtype = facts_.dtype(tensor),
                    .params = {},
                    .axis = {},
                    .shares = {},
                    .range = range->second};
    plan.params = {in_context("'" + tensor + "'", [&] {
      return activation_params(range->second, plan.scale_dtype, config_);
    })};
    return plan;
  }

  /// In rounds, like the Python quantizer: a tensor follows once its provider has parameters.
  void plan_shared_tensors() {
    bool grew = true;
    while (grew) {
      grew = false;
      for (const Mark& mark : marks_) {
        if (mark.dropped || mark.shares.empty() || planned(mark.tensor) != nullptr) continue;
        const TensorPlan* provider = planned(mark.shares);
        if (provider == nullptr) continue;
        add_tensor(TensorPlan{.tensor = mark.tensor,
                              .role = TensorRole::kActivation,
                              .dtype = provider->dtype,
                              .scale_dtype = provider->scale_dtype,
                              .params = {},
                              .axis = {},
                              .shares = mark.shares,
                              .range = {}});
        grew = true;
      }
    }
  }

  void add_tensor(TensorPlan tensor) {
    planned_.emplace(tensor.tensor, plan_.tensors.size());
    plan_.tensors.push_back(std::move(tensor));
  }

  /// Valid until the next add_tensor().
  [[nodiscard]] const TensorPlan* planned(const std::string& tensor) const {
    const auto found = planned_.find(tensor);
    return found == planned_.end() ? nullptr : &plan_.tensors[found->second];
  }

  void plan_biases() {
    for (const BiasMark& mark : bias_marks_) {
      // A constant that is read as an activation too is quantized as such.
      if (mark.copy == mark.bias && constants_.contains(mark.bias)) continue;
      BiasPlan bias{.node = mark.node, .bias = mark.bias, .copy = mark.copy};
      if (config_.quantize_bias) give_scales(mark, bias);
      if (bias.scales.empty() && bias.copy == bias.bias) continue;
      plan_.biases.push_back(std::move(bias));
    }
  }

  void give_scales(const BiasMark& mark, BiasPlan& bias) const {
    const auto input = scale_of(mark.input);
    const TensorPlan* weight = planned(root_of(mark.weight));
    if (!input || weight == nullptr) return;
    bias.scale_dtype = facts_.dtype(mark.bias);
    bias.zeroed = mark.beta == 0.0F;
    bias.scales = bias_scales(*input, *weight, bias.zeroed ? 1.0F : mark.beta, bias.scale_dtype);
  }

  PlanInput in_;
  const GraphFacts& facts_;
  const QuantizationConfig& config_;
  Namer namer_;
  QuantizationPlan plan_;
  std::unordered_map<std::string, std::size_t> planned_;
  std::vector<Mark> marks_;
  std::unordered_map<std::string, std::size_t> mark_of_;
  std::vector<BiasMark> bias_marks_;
  std::set<std::string> bias_copies_;
  std::unordered_map<std::string, std::size_t> already_;  // made by a DequantizeLinear of the model
  std::unordered_map<std::string, TensorPlan> constants_;
};

}  // namespace

QuantizationPlan plan_qdq(PlanInput input) { return QdqPlanner(std::move(input)).run(); }

}  // namespace planish::quantize_detail
