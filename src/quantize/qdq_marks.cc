#include "quantize/qdq_marks.h"

#include <algorithm>

#include "quantize/names.h"
#include "quantize/overrides.h"
#include "quantize/selection.h"
#include "quantize/weights.h"

namespace planish::quantize_detail {
namespace {

class QdqMarker {
 public:
  explicit QdqMarker(PlanInput& input)
      : in_(input), facts_(input.facts), config_(input.config), namer_(input.model.graph) {}

  QdqMarks run() {
    const Graph& graph = in_.model.graph;
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
      if (in_.decisions[i].action == NodeAction::kQuantize) mark_node(i);
      if (graph.nodes[i].op_type == "DequantizeLinear") {
        for (const std::string& output : graph.nodes[i].outputs) marks_.already.emplace(output, i);
      }
    }
    return std::move(marks_);
  }

 private:
  [[nodiscard]] bool is_marked(const std::string& tensor) const {
    return marks_.find(tensor) != nullptr || bias_copies_.contains(tensor);
  }

  /// Nothing happens when the tensor has a mark or cannot be quantized.
  void add_mark(const std::string& tensor, TensorRole role) {
    if (facts_.is_float(tensor)) marks_.add(tensor, role);
  }

  void mark_activation(const std::string& tensor) { add_mark(tensor, TensorRole::kActivation); }

  /// Overrides an earlier mark and keeps its place.
  void mark_shared(const std::string& output, const Node& node) {
    if (!facts_.is_float(output)) return;
    add_mark(output, TensorRole::kActivation);
    Mark& mark = marks_.at(output);
    mark.role = TensorRole::kActivation;
    mark.axis.reset();
    mark.shares = node.input(0);
    mark.shares_at = node.name;
  }

  void mark_weight(const std::string& tensor, std::int64_t axis, const std::string* op_type) {
    const auto channel = channel_axis(tensor, axis, op_type);
    add_mark(tensor, TensorRole::kWeight);
    if (!channel || !facts_.is_float(tensor)) return;
    Mark& mark = marks_.at(tensor);
    mark.role = TensorRole::kWeight;
    mark.axis = channel;
    mark.shares.clear();
  }

  /// Nothing: one scale for the whole tensor.
  [[nodiscard]] std::optional<std::size_t> channel_axis(const std::string& tensor,
                                                        std::int64_t axis,
                                                        const std::string* op_type) const {
    const Initializer* constant = facts_.constant(tensor);
    if (constant == nullptr) return std::nullopt;
    if (const TensorOverride* set = override_of(config_, tensor)) {
      return set->axis ? normalized_axis(*set->axis, constant->value.rank()) : std::nullopt;
    }
    if (config_.weights == Granularity::kPerTensor) return std::nullopt;
    if (op_type != nullptr) {
      const auto chosen = config_.channel_axes.find(*op_type);
      if (chosen != config_.channel_axes.end()) axis = chosen->second;
    }
    if (!in_.is_parity() && has_two_channel_axes(tensor, in_.model.graph, facts_))
      return std::nullopt;
    // Scales along anything but the last axis of B are no scales of output channels.
    if (!in_.is_parity() && op_type != nullptr && *op_type == "MatMul" &&
        constant->value.rank() != 2)
      return std::nullopt;
    return normalized_axis(axis, constant->value.rank());
  }

  void mark_bias(std::size_t node, const std::string& bias, const std::string& input,
                 const std::string& weight, float beta) {
    // What the user says about a bias makes it a weight of its own.
    if (override_of(config_, bias) != nullptr) return mark_weight(bias, 0, nullptr);
    if (!facts_.is_float_constant(bias)) return;
    BiasMark mark{
        .node = node, .bias = bias, .copy = bias, .input = input, .weight = weight, .beta = beta};
    // Its scale follows from the other inputs, so each reader needs a bias of its own.
    const bool is_shared = !in_.is_parity() && facts_.index().uses(bias).size() > 1;
    if (is_shared || bias_copies_.contains(bias)) mark.copy = namer_.copy_of(bias);
    bias_copies_.insert(mark.copy);
    marks_.biases.push_back(std::move(mark));
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
      case QdqRule::kHardSigmoid:
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
    if (const std::string* source = in_.source_of(node.output(0))) {
      mark_activation(*source);
      mark_activation(node.output(0));
      in_.decisions[i].action = NodeAction::kReread;
      return;
    }
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
      marks_.drop(input);
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
    if (is_converted(input) || is_converted(node.output(0))) return false;
    if (in_.is_parity()) return true;
    // Below 0 the integers would let through what Relu cuts off.
    const bool starts_at_zero = in_.ranges.find(node.output(0))->second.min >= 0.0F;
    return range_implies_clamp(node, facts_) && (node.op_type != "Relu" || starts_at_zero);
  }

  [[nodiscard]] bool is_converted(const std::string& tensor) const {
    const TensorOverride* set = override_of(config_, tensor);
    return set != nullptr && set->convert.has_value();
  }

  void mark_sharing(std::size_t i) {
    const Node& node = in_.model.graph.nodes[i];
    const bool turns_output = !in_.is_parity() && turns_graph_output(node, facts_);
    if (config_.force_data_movement || turns_output) {
      mark_activation(node.input(0));
    } else if (!is_marked(node.input(0))) {
      return leave(in_.decisions[i], LeaveReason::kNotFed);
    }
    if (output_is_marked(i)) mark_shared(node.output(0), node);
  }

  void mark_pad(std::size_t i) {
    const Node& node = in_.model.graph.nodes[i];
    for (const std::string& input : node.inputs) mark_activation(input);
    if (!output_is_marked(i)) return;
    if (pads_with_representable_value(node)) {
      mark_shared(node.output(0), node);
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
    for (const std::string& output : node.outputs) mark_shared(output, node);
  }

  void mark_gather(std::size_t i) {
    const Node& node = in_.model.graph.nodes[i];
    if (facts_.is_float_constant(node.input(0)) || config_.force_data_movement) {
      mark_activation(node.input(0));
      mark_shared(node.output(0), node);
    } else if (is_marked(node.input(0))) {
      mark_shared(node.output(0), node);
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

  PlanInput& in_;
  const GraphFacts& facts_;
  const QuantizationConfig& config_;
  Namer namer_;
  QdqMarks marks_;
  std::set<std::string> bias_copies_;
};

}  // namespace

const Mark* QdqMarks::find(const std::string& tensor) const {
  const auto found = index_.find(tensor);
  return found == index_.end() ? nullptr : &tensors[found->second];
}

Mark* QdqMarks::add(const std::string& tensor, TensorRole role) {
  if (!index_.emplace(tensor, tensors.size()).second) return nullptr;
  tensors.push_back(Mark{.tensor = tensor, .role = role});
  return &tensors.back();
}

void QdqMarks::drop(const std::string& tensor) {
  const auto found = index_.find(tensor);
  if (found == index_.end()) return;
  tensors[found->second].dropped = true;
  index_.erase(found);
}

QdqMarks mark_tensors(PlanInput& input) { return QdqMarker(input).run(); }

}  // namespace planish::quantize_detail
