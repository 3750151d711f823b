// Writes the Q/DQ pairs of a plan into a model.
#include <algorithm>
#include <set>
#include <unordered_map>

#include "planish/quantize/op_rules.h"
#include "quantize/names.h"
#include "quantize/planners.h"
#include "quantize/rewriter.h"
#include "quantize/selection.h"
#include "quantize/weights.h"

namespace planish::quantize_detail {
namespace {

class QdqRewriter {
 public:
  QdqRewriter(const QuantizationPlan& plan, const Model& model)
      : plan_(plan),
        rewriter_(plan, model),
        graph_(rewriter_.graph()),
        original_count_(graph_.nodes.size()),
        domain_(plan.config.contrib_qdq ? kContribDomain : "") {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      for (const std::string& input : graph_.nodes[i].inputs) {
        if (!input.empty()) readers_[input].push_back(i);
      }
      for (const std::string& output : graph_.nodes[i].outputs) makers_[output].push_back(i);
    }
    for (const ValueInfo& output : graph_.outputs) outputs_.insert(output.name);
  }

  Model run() {
    absorb_clamps();
    copy_shared_biases();
    reset_beta();
    for (const TensorPlan& tensor : plan_.tensors) {
      if (tensor.role != TensorRole::kActivation) {
        add_constant_dq(tensor);
      } else if (tensor.clamp) {
        add_clamped(tensor);
      } else {
        add_activation_pair(tensor);
      }
    }
    for (const BiasPlan& bias : plan_.biases) {
      if (!bias.scales.empty()) add_bias_dq(bias);
    }
    remove_dropped();
    if (plan_.config.contrib_qdq) rewriter_.model().set_opset(kContribDomain, 1);
    return rewriter_.finish(plan_.config.qdq_pair_on_weights);
  }

 private:
  void absorb_clamps() {
    for (std::size_t i = 0; i < original_count_; ++i) {
      if (plan_.nodes[i].action != NodeAction::kAbsorb) continue;
      const std::string input = graph_.nodes[i].input(0);
      const std::string output = graph_.nodes[i].output(0);
      rename_made(input, output);
    }
  }

  /// The makers of `from` write `to` instead.
  void rename_made(const std::string& from, const std::string& to) {
    const std::vector<std::size_t> makers = makers_[from];
    for (const std::size_t maker : makers) {
      for (std::string& output : graph_.nodes[maker].outputs) {
        if (output == from) output = to;
      }
    }
    makers_[from].clear();
    auto& merged = makers_[to];
    merged.insert(merged.end(), makers.begin(), makers.end());
  }

  /// Every reader of `from` reads `to`.
  void replace_reads(const std::string& from, const std::string& to) {
    for (const std::size_t reader : readers_[from]) {
      std::ranges::replace(graph_.nodes[reader].inputs, from, to);
    }
  }

  /// So does what is quantized; what is left, and bounds, scales and pad values, stay as they were.
  void replace_quantized_reads(const std::string& from, const std::string& to) {
    for (const std::size_t reader : readers_[from]) {
      if (!plan_.nodes[reader].quantized) continue;
      Node& node = graph_.nodes[reader];
      if (has_data_in_input_0_only(node)) {
        if (node.input(0) == from) node.inputs[0] = to;
      } else {
        std::ranges::replace(node.inputs, from, to);
      }
    }
  }

  /// The same for nodes of these names only.
  void replace_reads(const std::string& from, const std::string& to,
                     const std::set<std::string>& names) {
    for (const std::size_t reader : readers_[from]) {
      Node& node = graph_.nodes[reader];
      if (names.contains(node.name)) std::ranges::replace(node.inputs, from, to);
    }
  }

  [[nodiscard]] static bool has_data_in_input_0_only(const Node& node) {
    const OpRule* rule = find_op_rule(node.op_type);
    if (rule == nullptr) return false;
    return rule->qdq == QdqRule::kClamp || rule->qdq == QdqRule::kShares ||
           rule->qdq == QdqRule::kPad || rule->qdq == QdqRule::kSplit ||
           rule->qdq == QdqRule::kGather;
  }

  [[nodiscard]] bool is_best() const { return plan_.config.profile == QuantizationProfile::kBest; }

  /// Whether `value` comes from outside or from a node that is left.
  [[nodiscard]] bool is_made_in_floats(const std::string& value) const {
    const auto found = makers_.find(value);
    return found == makers_.end() || std::ranges::none_of(found->second, [&](std::size_t maker) {
             return plan_.nodes[maker].quantized;
           });
  }

  void copy_shared_biases() {
    for (const BiasPlan& bias : plan_.biases) {
      if (bias.copy == bias.bias) continue;
      const Initializer* source = rewriter_.constant(bias.bias);
      if (source == nullptr) continue;
      rewriter_.add_constant(bias.copy, Tensor(source->value));
      // A matrix of one row may be weight and bias at once; the bias comes last. The peer replaces
      // both.
      auto& inputs = graph_.nodes[bias.node].inputs;
      if (is_best()) {
        const auto last = std::find(inputs.rbegin(), inputs.rend(), bias.bias);
        if (last != inputs.rend()) *last = bias.copy;
      } else {
        std::ranges::replace(inputs, bias.bias, bias.copy);
      }
    }
  }

  /// An int32 bias carries beta in its scale.
  void reset_beta() {
    for (const BiasPlan& bias : plan_.biases) {
      Node& node = graph_.nodes[bias.node];
      if (node.op_type == "Gemm" && !bias.scales.empty() && node.find_attribute("beta") != nullptr)
        node.set_attribute("beta", 1.0F);
    }
  }

  void add_node(const char* op_type, std::vector<std::string> inputs, std::string output,
                std::string name, std::optional<std::size_t> axis) {
    Node node = make_node(op_type, std::move(inputs), {std::move(output)}, std::move(name),
                          std::string(domain_));
    if (axis) node.set_attribute("axis", static_cast<std::int64_t>(*axis));
    graph_.nodes.push_back(std::move(node));
  }

  void add_q(const std::string& from, const std::string& to, const std::string& name,
             const ParamNames& params, std::optional<std::size_t> axis = {}) {
    add_node("QuantizeLinear", {from, params.scale, params.zero_point}, to, name, axis);
  }
  void add_dq(const std::string& from, const std::string& to, const std::string& name,
              const ParamNames& params, std::optional<std::size_t> axis = {}) {
    add_node("DequantizeLinear", {from, params.scale, params.zero_point}, to, name, axis);
  }
  void add_pair(const std::string& from, const std::string& integers, const std::string& to,
                const std::string& tensor, const std::string& suffix, const ParamNames& params,
                std::optional<std::size_t> axis = {}) {
    add_q(from, integers, q_node_name(tensor) + suffix, params, axis);
    add_dq(integers, to, dq_node_name(tensor) + suffix, params, axis);
  }

  void add_constant_dq(const TensorPlan& tensor) {
    const std::string& name = tensor.tensor;
    rewriter_.add_params(tensor);
    const ParamNames params = rewriter_.names_of(tensor);
    if (is_best()) {
      replace_quantized_reads(name, dq_output_name(name));
    } else {
      replace_reads(name, dq_output_name(name));
    }
    if (plan_.config.qdq_pair_on_weights) {
      add_pair(name, q_output_name(name), dq_output_name(name), name, "", params, tensor.axis);
      return;
    }
    const Tensor values = rewriter_.constant(name)->value;
    rewriter_.add_constant(quantized_name(name), quantized_tensor(values, tensor));
    add_dq(quantized_name(name), dq_output_name(name), dq_node_name(name), params, tensor.axis);
  }

  void add_activation_pair(const TensorPlan& tensor) {
    const std::string& name = tensor.tensor;
    if (tensor.shares.empty()) rewriter_.add_params(tensor);
    const ParamNames params = rewriter_.names_of(tensor);
    if (tensor.conversion) return add_converted_pairs(tensor, params);
    const std::vector<std::size_t> receivers = admitted_receivers(name);
    if (plan_.config.dedicated_qdq_pairs && receivers.size() > 1) {
      return add_dedicated_pairs(name, params, receivers);
    }
    if (is_best() && is_made_in_floats(name)) {
      // Whoever is left, and the caller, has the floats: more exact, and without a
      // DequantizeLinear.
      if (is_read_as_integers_only(name)) {
        add_q(name, q_output_name(name), q_node_name(name), params);
        return;
      }
      replace_quantized_reads(name, dq_output_name(name));
      add_pair(name, q_output_name(name), dq_output_name(name), name, "", params);
    } else if (outputs_.contains(name)) {
      rename_made(name, q_input_name(name));
      add_pair(q_input_name(name), q_output_name(name), name, name, "", params);
    } else if (is_read_as_integers_only(name)) {
      add_q(name, q_output_name(name), q_node_name(name), params);
    } else {
      replace_reads(name, dq_output_name(name));
      add_pair(name, q_output_name(name), dq_output_name(name), name, "", params);
    }
  }

  [[nodiscard]] bool is_read_as_integers_only(const std::string& tensor) const {
    const auto found = readers_.find(tensor);
    if (found == readers_.end() || found->second.empty()) return false;
    return std::ranges::all_of(found->second, [&](std::size_t reader) {
      return plan_.nodes[reader].action == NodeAction::kReread;
    });
  }

  /// No QuantizeLinear: the integers of another tensor, clamped, are this one's.
  void add_clamped(const TensorPlan& tensor) {
    const std::string& name = tensor.tensor;
    if (!outputs_.contains(name) && is_read_as_integers_only(name)) return;
    std::string integers = q_output_name(tensor.clamp->of);
    rewriter_.add_params(tensor);
    if (auto clip = rewriter_.clip_of(tensor, integers, q_output_name(name))) {
      graph_.nodes.push_back(std::move(*clip));
      integers = q_output_name(name);
    }
    const bool is_output = outputs_.contains(name);
    const std::string floats = is_output ? name : dq_output_name(name);
    if (!is_output) replace_reads(name, floats);
    add_dq(integers, floats, dq_node_name(name), rewriter_.names_of(tensor));
  }

  /// maker → Q → DQ → readers of the first type
  ///         └→ DQ → Q → DQ → readers of the converted type
  /// where the DQ of the second line is the first's unless both kinds of readers are there. As in
  /// ONNX Runtime 1.32 readers go by name, and a graph output is read in the first type if any
  /// node is.
  void add_converted_pairs(const TensorPlan& tensor, const ParamNames& params) {
    const std::string& name = tensor.tensor;
    const std::string second = convert_name(name);
    const ParamNames converted = rewriter_.add_conversion(tensor);
    std::set<std::string> first_readers;
    for (const std::size_t i : admitted_receivers(name)) first_readers.insert(plan_.nodes[i].node);
    const std::size_t reader_count = first_readers.size();
    std::set<std::string> second_readers = first_readers;
    if (tensor.conversion->readers)
      second_readers = {tensor.conversion->readers->begin(), tensor.conversion->readers->end()};
    for (const std::string& reader : second_readers) first_readers.erase(reader);
    const bool all_converted = second_readers.size() == reader_count;
    const bool is_output = outputs_.contains(name);

    std::string from = name;
    if (is_output) {
      from = q_input_name(name);
      rename_made(name, from);
    }
    add_q(from, q_output_name(name), q_node_name(name), params);
    std::string floats = dq_output_name(name);
    if (is_output && !all_converted) floats = name;
    if (floats != name) replace_reads(name, floats, first_readers);
    add_dq(q_output_name(name), floats, dq_node_name(name), params);
    if (!all_converted) {
      floats = q_input_name(second);
      add_dq(q_output_name(name), floats, dq_node_name(second + "_clone"), params);
    }
    add_q(floats, q_output_name(second), q_node_name(second), converted);
    std::string last = dq_output_name(second);
    if (is_output && all_converted) last = name;
    if (last != name) replace_reads(name, last, second_readers);
    add_dq(q_output_name(second), last, dq_node_name(second), converted);
  }

  /// Readers among the nodes that the user's lists admit, once per input.
  [[nodiscard]] std::vector<std::size_t> admitted_receivers(const std::string& tensor) const {
    std::vector<std::size_t> receivers;
    const auto found = readers_.find(tensor);
    if (found == readers_.end()) return receivers;
    for (const std::size_t reader : found->second) {
      const LeaveReason code = plan_.nodes[reader].code;
      if (code != LeaveReason::kNoRule && code != LeaveReason::kNotSelected &&
          code != LeaveReason::kExcluded)
        receivers.push_back(reader);
    }
    return receivers;
  }

  void add_dedicated_pairs(const std::string& tensor, const ParamNames& params,
                           const std::vector<std::size_t>& receivers) {
    for (std::size_t k = 0; k < receivers.size(); ++k) {
      std::string suffix = "_";
      suffix += std::to_string(k + 1);
      const std::string to = dq_output_name(tensor) + suffix;
      add_pair(tensor, q_output_name(tensor) + suffix, to, tensor, suffix, params);
      for (std::string& input : graph_.nodes[receivers[k]].inputs) {
        if (input == tensor) input = to;
      }
    }
  }

  void add_bias_dq(const BiasPlan& bias) {
    const Initializer* source = rewriter_.constant(bias.copy);
    const bool is_wide = source != nullptr && source->value.dtype() != bias.scale_dtype;
    const std::optional<std::size_t> axis = rewriter_.bias_axis(bias);
    rewriter_.add_bias(bias);
    rewriter_.remove_constant(bias.copy);
    std::string output = bias.copy;
    if (is_wide) {
      output = dq_output_name(bias.copy);
      Node cast = make_node("Cast", {output}, {bias.copy}, bias.copy + "_Cast");
      cast.set_attribute("to", static_cast<std::int64_t>(DType::kFloat16));
      graph_.nodes.push_back(std::move(cast));
    }
    const std::string name = quantized_name(bias.copy);
    add_dq(name, output, dq_node_name(bias.copy), {scale_name(name), zero_point_name(name)}, axis);
  }

  void remove_dropped() {
    std::vector<Node> kept;
    kept.reserve(graph_.nodes.size());
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const NodeAction action = i < original_count_ ? plan_.nodes[i].action : NodeAction::kLeave;
      if (action == NodeAction::kAbsorb || action == NodeAction::kReread) continue;
      kept.push_back(std::move(graph_.nodes[i]));
    }
    graph_.nodes = std::move(kept);
  }

  const QuantizationPlan& plan_;
  Rewriter rewriter_;
  Graph& graph_;
  std::size_t original_count_;
  std::string_view domain_;
  std::unordered_map<std::string, std::vector<std::size_t>> readers_;  // nodes, once per input
  std::unordered_map<std::string, std::vector<std::size_t>> makers_;
  std::unordered_set<std::string> outputs_;
};

}  // namespace

Model apply_qdq(const QuantizationPlan& plan, const Model& model) {
  return QdqRewriter(plan, model).run();
}

}  // namespace planish::quantize_detail
