// Writes the integer operators of a plan into a model.
#include "planish/base/error.h"
#include "planish/quantize/op_rules.h"
#include "quantize/emitter.h"
#include "quantize/names.h"
#include "quantize/planners.h"
#include "quantize/rewriter.h"
#include "quantize/weights.h"

namespace planish::quantize_detail {
namespace {

const std::string kContrib{kContribDomain};

class QOperatorRewriter {
 public:
  QOperatorRewriter(const QuantizationPlan& plan, const Model& model)
      : plan_(plan), rewriter_(plan, model), emitter_(rewriter_) {
    for (const BiasPlan& bias : plan.biases) {
      by_node_.emplace(bias.node, &bias);
      by_name_.emplace(bias.bias, &bias);
    }
  }

  Model run() {
    const std::vector<Node> nodes = rewriter_.graph().nodes;
    for (const Node& node : nodes) {
      for (const std::string& input : node.inputs) ++reads_[input];
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (plan_.nodes[i].action == NodeAction::kLeave) {
        emitter_.emit_left(nodes[i]);
      } else {
        replace(i, nodes[i]);
      }
    }
    emitter_.finish();
    return rewriter_.finish();
  }

 private:
  void replace(std::size_t i, const Node& node) {
    if (plan_.nodes[i].action == NodeAction::kReread) return reread(node);
    const OpRule* rule = find_op_rule(node.op_type);
    switch (rule == nullptr ? QOperatorRule::kNone : rule->qoperator) {
      case QOperatorRule::kNone:
      case QOperatorRule::kHardSigmoid:  // always reread
        throw Error(ErrorCode::kInvalidArgument,
                    "plan: node '" + node.name + "' (" + node.op_type + ") has no integer form");
      case QOperatorRule::kConv:
        return replace_conv(i, node);
      case QOperatorRule::kGemm:
        return replace_gemm(i, node);
      case QOperatorRule::kMatMul:
        return replace_operator(node, "QLinearMatMul", {0, 1}, "");
      case QOperatorRule::kBinary:
        return replace_operator(node, "QLinear" + node.op_type, {0, 1}, kContrib);
      case QOperatorRule::kUnary:
        return replace_operator(node, "QLinear" + node.op_type, {0}, kContrib);
      case QOperatorRule::kSoftmax:
        return replace_softmax(node);
      case QOperatorRule::kGlobalPool:
        return replace_global_pool(node);
      case QOperatorRule::kConcat:
        return replace_concat(node);
      case QOperatorRule::kWhere:
        return replace_where(node);
      case QOperatorRule::kClamp:
        return emitter_.set(node.output(0), *emitter_.find(node.input(0)));
      case QOperatorRule::kShares:
      case QOperatorRule::kGather:
        return keep_on_integers(node);
      case QOperatorRule::kPad:
        return keep_pad(node);
      case QOperatorRule::kSplit:
        return keep_split(node);
      case QOperatorRule::kArgMax:
        return keep_argmax(node);
      case QOperatorRule::kEmbedLayerNorm:
        return replace_embedding(node);
    }
  }

  // --- values ------------------------------------------------------------------------------------

  [[nodiscard]] const TensorPlan& plan_of(const std::string& tensor) const {
    const TensorPlan* found = rewriter_.find(tensor);
    if (found != nullptr) return *found;
    throw Error(ErrorCode::kInvalidArgument, "plan: no parameters for '" + tensor + "'");
  }

  /// The integers of an input: there already, a constant's, or by QuantizeLinear.
  IntegerValue integers_of(const std::string& tensor) {
    if (const IntegerValue* known = emitter_.find(tensor)) return *known;
    const TensorPlan& plan = plan_of(tensor);
    rewriter_.add_params(plan);
    IntegerValue value{quantized_name(tensor), scale_name(tensor), zero_point_name(tensor), {}};
    if (plan.role == TensorRole::kActivation) {
      emitter_.emit(make_node("QuantizeLinear", {tensor, value.scale, value.zero_point},
                              {value.integers}, q_node_name(tensor)));
    } else {
      const Tensor values = rewriter_.constant(tensor)->value;
      rewriter_.add_constant(value.integers, quantized_tensor(values, plan));
      if (plan.axis) value.axis = axis_attribute(plan);
    }
    emitter_.set(tensor, value);
    return value;
  }

  /// The last axis is named from the end, as MatMul's weights are.
  [[nodiscard]] std::int64_t axis_attribute(const TensorPlan& plan) const {
    const auto found = negative_axis_.find(plan.tensor);
    if (found != negative_axis_.end()) return found->second;
    return static_cast<std::int64_t>(*plan.axis);
  }

  /// Registers the integers of an output with parameters of its own.
  IntegerValue own_output(const std::string& tensor) {
    const TensorPlan& plan = plan_of(tensor);
    IntegerValue value{quantized_name(tensor), scale_name(tensor), zero_point_name(tensor), {}};
    if (plan.shares.empty()) {
      rewriter_.add_params(plan);
    } else {
      const IntegerValue* provider = emitter_.find(plan.shares);
      value.scale = provider->scale;
      value.zero_point = provider->zero_point;
    }
    emitter_.set(tensor, value);
    return value;
  }

  static void append(std::vector<std::string>& inputs, const IntegerValue& value) {
    inputs.insert(inputs.end(), {value.integers, value.scale, value.zero_point});
  }

  std::string bias_of(std::size_t i, const Node& node) {
    const std::string& name = node.input(2);
    const auto own = by_node_.find(i);
    const auto any = by_name_.find(name);
    const BiasPlan* bias = own != by_node_.end()   ? own->second
                           : any != by_name_.end() ? any->second
                                                   : nullptr;
    // A constant that is read as an activation too: its integers serve, as in ONNX Runtime.
    if (bias == nullptr) return integers_of(name).integers;
    const std::string quantized = quantized_name(bias->copy);
    if (rewriter_.constant(quantized) == nullptr) {
      IntegerValue value{quantized, scale_name(quantized), zero_point_name(quantized), {}};
      if (const auto axis = rewriter_.bias_axis(*bias)) value.axis = *axis;
      rewriter_.add_bias(*bias);
      emitter_.set(bias->copy, value);
    }
    return quantized;
  }

  // --- operators ---------------------------------------------------------------------------------

  void replace_operator(const Node& node, std::string op_type,
                        const std::vector<std::size_t>& operands, const std::string& domain) {
    if (node.op_type == "MatMul") negative_axis_.emplace(node.input(1), -1);
    std::vector<std::string> inputs;
    for (const std::size_t k : operands) append(inputs, integers_of(node.input(k)));
    const IntegerValue output = own_output(node.output(0));
    inputs.insert(inputs.end(), {output.scale, output.zero_point});
    Node integer =
        integer_node(node, std::move(op_type), std::move(inputs), {output.integers}, domain);
    if (node.op_type == "MatMul") integer.attributes.clear();
    if (node.op_type == "Softmax") {
      integer.set_attribute("opset", rewriter_.model().opset());
      integer.attributes = sorted_attributes(integer);
    }
    emitter_.emit(std::move(integer));
  }

  void replace_softmax(const Node& node) {
    replace_operator(node, "QLinearSoftmax", {0}, kContrib);
  }

  /// QLinearConv: x, x scale, x zero, w, w scale, w zero, y scale, y zero, bias?
  void replace_conv(std::size_t i, const Node& node) {
    std::vector<std::string> inputs;
    append(inputs, integers_of(node.input(0)));
    append(inputs, integers_of(node.input(1)));
    std::string bias;
    if (node.inputs.size() == 3 && !node.input(2).empty()) bias = bias_of(i, node);
    const IntegerValue output = own_output(node.output(0));
    inputs.insert(inputs.end(), {output.scale, output.zero_point});
    if (!bias.empty()) inputs.push_back(bias);
    emitter_.emit(integer_node(node, "QLinearConv", std::move(inputs), {output.integers}));
  }

  /// QGemm: a, a scale, a zero, b, b scale, b zero, bias or "", y scale, y zero; no beta.
  void replace_gemm(std::size_t i, const Node& node) {
    std::vector<std::string> inputs;
    append(inputs, integers_of(node.input(0)));
    append(inputs, integers_of(node.input(1)));
    std::string bias;
    if (node.inputs.size() == 3 && !node.input(2).empty()) bias = bias_of(i, node);
    const IntegerValue output = own_output(node.output(0));
    inputs.insert(inputs.end(), {bias, output.scale, output.zero_point});
    Node integer = integer_node(node, "QGemm", std::move(inputs), {output.integers}, kContrib);
    integer.remove_attribute("beta");
    emitter_.emit(std::move(integer));
  }

  void replace_global_pool(const Node& node) {
    std::vector<std::string> inputs;
    append(inputs, integers_of(node.input(0)));
    const IntegerValue output = own_output(node.output(0));
    inputs.insert(inputs.end(), {output.scale, output.zero_point});
    Node integer = integer_node(node, "QLinearGlobalAveragePool", std::move(inputs),
                                {output.integers}, kContrib);
    integer.set_attribute("channels_last", std::int64_t{0});
    integer.attributes = sorted_attributes(integer);
    emitter_.emit(std::move(integer));
  }

  /// QLinearConcat: y scale, y zero, then each input with its scale and zero point.
  void replace_concat(const Node& node) {
    std::vector<std::string> operands;
    for (const std::string& input : node.inputs) append(operands, integers_of(input));
    const IntegerValue output = own_output(node.output(0));
    std::vector<std::string> inputs{output.scale, output.zero_point};
    inputs.insert(inputs.end(), operands.begin(), operands.end());
    emitter_.emit(
        integer_node(node, "QLinearConcat", std::move(inputs), {output.integers}, kContrib));
  }

  void replace_where(const Node& node) {
    std::vector<std::string> inputs{node.input(0)};
    append(inputs, integers_of(node.input(1)));
    append(inputs, integers_of(node.input(2)));
    const IntegerValue output = own_output(node.output(0));
    inputs.insert(inputs.end(), {output.scale, output.zero_point});
    emitter_.emit(
        integer_node(node, "QLinearWhere", std::move(inputs), {output.integers}, kContrib));
  }

  /// The integers of the input, clamped, stand for the output.
  void reread(const Node& node) {
    const TensorPlan& plan = plan_of(node.output(0));
    const std::string source = integers_of(plan.clamp->of).integers;
    IntegerValue output = own_output(node.output(0));
    if (auto clip = rewriter_.clip_of(plan, source, output.integers)) {
      emitter_.emit(std::move(*clip));
      return;
    }
    output.integers = source;
    emitter_.set(node.output(0), std::move(output));
  }

  void keep_on_integers(const Node& node) {
    Node kept = node;
    kept.inputs[0] = integers_of(node.input(0)).integers;
    kept.outputs[0] = own_output(node.output(0)).integers;
    emitter_.emit(std::move(kept));
  }

  /// What real 0 is among the integers is their zero point.
  void keep_pad(const Node& node) {
    Node kept = node;
    const IntegerValue data = integers_of(node.input(0));
    if (node.string_attribute("mode", "constant") == "constant") {
      if (kept.inputs.size() < 3) kept.inputs.resize(3);
      kept.inputs[2] = node.input(2).empty() ? data.zero_point : pad_value(node, data);
    }
    kept.inputs[0] = data.integers;
    kept.outputs[0] = own_output(node.output(0)).integers;
    emitter_.emit(std::move(kept));
  }

  std::string pad_value(const Node& node, const IntegerValue& data) {
    const std::string& name = node.input(2);
    // Another Pad may read the same value in other integers: only what nobody else reads has the
    // peer's name.
    const bool is_shared = reads_[name] > 1;
    const std::string quantized = quantized_name(is_shared ? node.output(0) + "_" + name : name);
    const Initializer* constant = rewriter_.constant(name);
    if (constant == nullptr) {
      emitter_.emit(make_node("QuantizeLinear", {name, data.scale, data.zero_point}, {quantized},
                              q_node_name(is_shared ? quantized : name)));
      return quantized;
    }
    const TensorPlan& params = rewriter_.root_of(plan_of(node.input(0)));
    const Tensor value = constant->value;
    rewriter_.add_constant(quantized, quantize(value, params.params.front()));
    return quantized;
  }

  void keep_split(const Node& node) {
    Node kept = integer_node(node, node.op_type, node.inputs, node.outputs, node.domain);
    const IntegerValue data = integers_of(node.input(0));
    kept.inputs[0] = data.integers;
    for (std::size_t k = 0; k < node.outputs.size(); ++k) {
      // Without the underscore: the name that ONNX Runtime's quantizer gives.
      kept.outputs[k] = node.outputs[k] + "quantized";
      emitter_.set(node.outputs[k], {kept.outputs[k], data.scale, data.zero_point, {}});
    }
    emitter_.emit(std::move(kept));
  }

  void keep_argmax(const Node& node) {
    Node kept = node;
    kept.inputs[0] = integers_of(node.input(0)).integers;
    emitter_.emit(std::move(kept));
  }

  /// QEmbedLayerNormalization: ids, segments, 5 tables, mask, 5 scales, 5 zero points.
  void replace_embedding(const Node& node) {
    std::vector<std::string> inputs{node.input(0), node.input(1)};
    std::vector<std::string> scales;
    std::vector<std::string> zero_points;
    for (std::size_t k = 2; k <= 6; ++k) {
      const IntegerValue table =
          node.input(k).empty() ? IntegerValue{} : integers_of(node.input(k));
      inputs.push_back(table.integers);
      scales.push_back(table.scale);
      zero_points.push_back(table.zero_point);
    }
    inputs.push_back(node.input(7));
    inputs.insert(inputs.end(), scales.begin(), scales.end());
    inputs.insert(inputs.end(), zero_points.begin(), zero_points.end());
    emitter_.emit(
        integer_node(node, "QEmbedLayerNormalization", std::move(inputs), node.outputs, kContrib));
  }

  const QuantizationPlan& plan_;
  Rewriter rewriter_;
  Emitter emitter_;
  std::unordered_map<std::size_t, const BiasPlan*> by_node_;
  std::unordered_map<std::string, const BiasPlan*> by_name_;
  std::unordered_map<std::string, std::int64_t> negative_axis_;  // MatMul's weights
  std::unordered_map<std::string, std::size_t> reads_;           // by node inputs, of the source
};

}  // namespace

Model apply_qoperator(const QuantizationPlan& plan, const Model& model) {
  return QOperatorRewriter(plan, model).run();
}

}  // namespace planish::quantize_detail
