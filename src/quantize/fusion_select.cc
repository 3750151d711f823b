// The selectors and actions of ONNX Runtime's QDQ transformer: which operators, with which pairs
// around them, become integer operators.
#include <algorithm>
#include <array>
#include <cmath>

#include "quantize/fusion_passes.h"

namespace planish::quantize_detail {
namespace {

/// An operator with the pairs around it.
struct Unit {
  std::size_t target = 0;
  std::optional<std::size_t> clamp = {};  // Relu or Clip between it and its QuantizeLinear
  std::vector<std::size_t> dqs = {};      // by input slot
  std::vector<std::size_t> qs = {};       // by output
};

bool is_wide(DType dtype) { return dtype == DType::kInt16 || dtype == DType::kUInt16; }
bool is_tiny(DType dtype) { return row_of(dtype).bits == 4 || row_of(dtype).bits == 2; }

Unit unit_around(const FusionGraph& graph, std::size_t target) {
  Unit unit{.target = target};
  for (std::size_t slot = 0; slot < graph.node(target).inputs.size(); ++slot) {
    const auto maker = graph.maker(target, slot);
    if (maker && graph.is_dequantize(*maker)) unit.dqs.push_back(*maker);
  }
  std::size_t last = target;
  const auto edges = graph.readers(target);
  if (edges.size() == 1) {
    const std::size_t next = edges.front().node;
    const std::string& op = graph.node(next).op_type;
    if ((op == "Relu" || op == "Clip") && graph.has_edges_only(next, 1)) {
      unit.clamp = next;
      last = next;
    }
  }
  for (const FusionEdge& edge : graph.readers(last)) {
    if (graph.is_quantize(edge.node)) unit.qs.push_back(edge.node);
  }
  return unit;
}

std::size_t count_present(const std::vector<std::string>& names) {
  return static_cast<std::size_t>(
      std::ranges::count_if(names, [](const std::string& name) { return !name.empty(); }));
}

/// How many inputs must come from DequantizeLinear.
std::size_t dequantized_count(const FusionRule& rule, const Node& node) {
  switch (rule.inputs) {
    case FusedInputs::kFirst:
      return 1;
    case FusedInputs::kBranches:
      return 2;
    case FusedInputs::kEvery:
    case FusedInputs::kWeighted:
      break;
  }
  return count_present(node.inputs);
}

FusionObstacle inputs_obstacle(const FusionGraph& graph, const Unit& unit, std::size_t needed) {
  if (unit.dqs.size() != needed) return FusionObstacle::kInputIsFloat;
  for (const std::size_t dq : unit.dqs) {
    if (!graph.has_edges_only(dq, 1)) return FusionObstacle::kInputIsShared;
  }
  return FusionObstacle::kNone;
}

FusionObstacle outputs_obstacle(const FusionGraph& graph, const Unit& unit,
                                const FusionRule& rule) {
  if (rule.outputs == FusedOutputs::kNone) return FusionObstacle::kNone;
  if (unit.qs.empty()) {
    return rule.outputs == FusedOutputs::kOptional ? FusionObstacle::kNone
                                                   : FusionObstacle::kOutputIsFloat;
  }
  const std::size_t last = unit.clamp.value_or(unit.target);
  const Node& node = graph.node(last);
  if (graph.makes_output(last) || graph.makes_output(unit.target) ||
      graph.readers(last).size() > unit.qs.size())
    return FusionObstacle::kOutputIsShared;
  for (const std::string& output : node.outputs) {
    if (graph.value(output).readers.size() > 1) return FusionObstacle::kOutputQuantizedTwice;
  }
  const bool each = count_present(node.outputs) == unit.qs.size();
  return each ? FusionObstacle::kNone : FusionObstacle::kOutputIsFloat;
}

FusionObstacle types_obstacle(const FusionGraph& graph, const Unit& unit, const FusionRule& rule,
                              const FusionConfig& config) {
  const DType input = graph.integers_of(unit.dqs.front());
  for (const std::size_t q : unit.qs) {
    if (rule.outputs != FusedOutputs::kNone && graph.integers_of(q) != input)
      return FusionObstacle::kTypesDiffer;
  }
  if (is_tiny(input) || (is_wide(input) && !rule.wide)) return FusionObstacle::kWide;
  if (rule.inputs == FusedInputs::kWeighted) {
    const DType weight = graph.integers_of(unit.dqs[1]);
    if (is_wide(weight) || is_tiny(weight)) return FusionObstacle::kWide;
    if (input == DType::kInt8) {
      // QGemm takes int8 everywhere.
      if (!config.signed_activations && rule.op_type != "Gemm") return FusionObstacle::kSigned;
      if (weight != input) return FusionObstacle::kTypesDiffer;
    }
    if (unit.dqs.size() > 2 && graph.integers_of(unit.dqs[2]) != DType::kInt32)
      return FusionObstacle::kBiasNotInt32;
    if (unit.dqs.size() > 2 && rule.op_type == "Conv" &&
        !bias_scale_fits(graph, unit.dqs[0], unit.dqs[1], unit.dqs[2]))
      return FusionObstacle::kBiasScale;
    return FusionObstacle::kNone;
  }
  for (const std::size_t dq : unit.dqs) {
    if (graph.integers_of(dq) != input) return FusionObstacle::kTypesDiffer;
  }
  return FusionObstacle::kNone;
}

FusionObstacle params_obstacle(const FusionGraph& graph, const Unit& unit, const FusionRule& rule) {
  const auto usable = [&](std::size_t pair) {
    const auto params = graph.params(pair);
    return params && params->is_scalar && params->has_zero_point;
  };
  if (rule.op_type == "Gemm") {
    const auto has_zero_point = [&](std::size_t dq) { return !graph.node(dq).input(2).empty(); };
    return has_zero_point(unit.dqs[0]) && has_zero_point(unit.dqs[1])
               ? FusionObstacle::kNone
               : FusionObstacle::kParamsNotScalar;
  }
  if (rule.outputs == FusedOutputs::kNone) {
    return usable(unit.dqs.front()) ? FusionObstacle::kNone : FusionObstacle::kParamsNotScalar;
  }
  if (rule.params == FusedParams::kOwn) return FusionObstacle::kNone;
  for (const std::size_t q : unit.qs) {
    if (!usable(q) || !usable(unit.dqs.front())) return FusionObstacle::kParamsNotScalar;
    if (rule.params == FusedParams::kSharedOrdered && graph.params(q)->scale <= 0)
      return FusionObstacle::kScaleNotPositive;
    if (!have_equal_params(graph, q, unit.dqs.front())) return FusionObstacle::kParamsDiffer;
  }
  return FusionObstacle::kNone;
}

FusionObstacle form_obstacle(const FusionGraph& graph, const Unit& unit) {
  const Node& node = graph.node(unit.target);
  if (node.op_type == "Resize" && node.string_attribute("mode", "nearest") != "nearest")
    return FusionObstacle::kInterpolates;
  if (node.op_type == "Gemm" && unit.dqs.size() > 2 && node.float_attribute("beta", 1.0F) != 1.0F)
    return FusionObstacle::kBetaNotOne;
  return FusionObstacle::kNone;
}

FusionObstacle obstacle_of(const FusionGraph& graph, const Unit& unit, const FusionRule& rule,
                           const FusionConfig& config) {
  if (unit.clamp && (unit.qs.size() != 1 || !is_clamp_implied(graph, *unit.clamp, unit.qs.front())))
    return FusionObstacle::kClampCuts;
  if (unit.clamp && !rule.absorbs_clamp) return FusionObstacle::kClampCuts;
  const std::size_t needed = dequantized_count(rule, graph.node(unit.target));
  for (const FusionObstacle found :
       {inputs_obstacle(graph, unit, needed), form_obstacle(graph, unit),
        outputs_obstacle(graph, unit, rule)}) {
    if (found != FusionObstacle::kNone) return found;
  }
  const FusionObstacle types = types_obstacle(graph, unit, rule, config);
  return types != FusionObstacle::kNone ? types : params_obstacle(graph, unit, rule);
}

/// MatMul and Gemm with a quantized weight alone run on it in blocks (MatMulNBits). Pairs of 16
/// bits around them do not count.
bool is_weight_only(const FusionGraph& graph, const Unit& around) {
  Unit unit = around;
  const auto is_sixteen = [&](std::size_t pair) { return is_wide(graph.integers_of(pair)); };
  std::erase_if(unit.dqs, is_sixteen);
  std::erase_if(unit.qs, is_sixteen);
  const Node& node = graph.node(unit.target);
  const bool is_gemm = node.op_type == "Gemm";
  if (unit.clamp || !unit.qs.empty() || unit.dqs.empty() || unit.dqs.size() > (is_gemm ? 2U : 1U))
    return false;
  const auto made = graph.maker(unit.target, 1);
  if (!made || !graph.is_dequantize(*made) || !graph.has_edges_only(*made, 1)) return false;
  if (unit.dqs.size() == 2 && graph.maker(unit.target, 2) != unit.dqs[1]) return false;
  const Node& dq = graph.node(*made);
  const FusionValue& weight = graph.value(dq.input(0));
  const Tensor* scale = graph.value(dq.input(1)).constant;
  if (!weight.is_constant || !weight.shape || weight.shape->size() != 2 || scale == nullptr)
    return false;
  // Its action gives both another layout in place.
  if (weight.readers.size() != 1 || shared_readers(graph, dq.input(1)) != 1) return false;
  const int bits = row_of(weight.dtype).bits;
  if (row_of(weight.dtype).is_float || (bits != 2 && bits != 4 && bits != 8)) return false;
  if (scale->dtype() != DType::kFloat32 && scale->dtype() != DType::kFloat16) return false;
  const Tensor* zero_point = graph.value(dq.input(2)).constant;
  if (!dq.input(2).empty() && zero_point == nullptr) return false;
  const std::int64_t columns = (*weight.shape)[1].number().value_or(-1);
  const std::int64_t block = dq.int_attribute("block_size", 0);
  if (block > 0) {
    const bool is_power = (block & (block - 1)) == 0;
    if (dq.find_attribute("axis") == nullptr || dq.int_attribute("axis", 1) != 0 || block < 16 ||
        !is_power || scale->rank() != 2)
      return false;
  } else if (scale->rank() == 1) {
    if (scale->dims()[0] != columns || dq.int_attribute("axis", 1) != 1) return false;
    if (zero_point != nullptr && zero_point->dims() != scale->dims()) return false;
  } else if (scale->rank() > 1 || (zero_point != nullptr && zero_point->rank() != 0)) {
    return false;
  }
  if (!is_gemm) return true;
  if (node.float_attribute("alpha", 1.0F) != 1.0F || node.int_attribute("transA", 0) != 0 ||
      node.int_attribute("transB", 0) != 0)
    return false;
  if (node.input(2).empty()) return true;
  const auto& bias = graph.value(node.input(2)).shape;
  return node.float_attribute("beta", 1.0F) == 1.0F && bias && bias->size() == 1 &&
         (*bias)[0].number() == columns;
}

/// The target becomes `op_type` on the integers of the unit; the pairs around it go.
void replace(FusionGraph& graph, const Unit& unit, std::string op_type, std::string domain) {
  FusedNode& fused = graph.entry(unit.target);
  fused.obstacle = FusionObstacle::kNone;
  fused.node.op_type = std::move(op_type);
  fused.node.domain = std::move(domain);
  std::vector<std::string> inputs = fused.node.inputs;
  for (std::string& input : inputs) {
    const auto maker = graph.value(input).producer;
    if (maker && std::ranges::find(unit.dqs, *maker) != unit.dqs.end())
      input = graph.node(*maker).input(0);
  }
  // Scales and zero points stay in use.
  for (const auto* pairs : {&unit.dqs, &unit.qs}) {
    for (const std::size_t pair : *pairs) {
      const auto& params = graph.node(pair).inputs;
      inputs.insert(inputs.end(), params.begin() + 1, params.end());
    }
  }
  graph.set_inputs(unit.target, std::move(inputs));
  for (const std::size_t dq : unit.dqs) graph.remove(dq);
  const std::size_t last = unit.clamp.value_or(unit.target);
  for (std::size_t k = 0; k < unit.qs.size(); ++k) {
    const std::string target = graph.node(unit.qs[k]).output(0);
    const std::string source = graph.node(unit.qs[k]).input(0);
    const auto& outputs = graph.node(last).outputs;
    const auto slot =
        static_cast<std::size_t>(std::ranges::find(outputs, source) - outputs.begin());
    graph.remove(unit.qs[k]);
    graph.set_output(unit.target, slot, target);
  }
  if (unit.clamp) graph.remove(*unit.clamp);
}

std::string_view domain_of(std::string_view fused_as) {
  const bool is_onnx = fused_as == "QLinearConv" || fused_as == "QLinearMatMul" ||
                       find_fusion_rule(fused_as) != nullptr;
  return is_onnx ? "" : "com.microsoft";
}

bool fuse_at(FusionGraph& graph, std::size_t i, const FusionConfig& config) {
  if (!graph.node(i).domain.empty() || graph.is_quantize(i) || graph.is_dequantize(i)) return false;
  const Unit unit = unit_around(graph, i);
  if (unit.dqs.empty()) return false;
  const FusionRule* rule = find_fusion_rule(graph.node(i).op_type);
  if (rule == nullptr) {
    graph.entry(i).obstacle = FusionObstacle::kNoKernel;
    return false;
  }
  const FusionObstacle obstacle = obstacle_of(graph, unit, *rule, config);
  if (obstacle == FusionObstacle::kNone) {
    const bool writes_floats = unit.qs.empty() && rule->op_type == "MatMul";
    const std::string_view name = writes_floats ? "MatMulIntegerToFloat" : rule->fused_as;
    Unit used = unit;
    if (rule->outputs == FusedOutputs::kNone) used.qs.clear();
    replace(graph, used, std::string(name), std::string(domain_of(name)));
    return true;
  }
  const bool is_matrix = rule->outputs == FusedOutputs::kOptional;
  if (is_matrix && is_weight_only(graph, unit)) {
    Unit weight{.target = i, .dqs = {*graph.maker(i, 1)}};
    replace(graph, weight, "MatMulNBits", "com.microsoft");
    return true;
  }
  graph.entry(i).obstacle = obstacle;
  return false;
}

}  // namespace

bool bias_scale_fits(const FusionGraph& graph, std::size_t input_dq, std::size_t weight_dq,
                     std::size_t bias_dq) {
  const auto constant = [&](std::size_t dq, std::size_t slot) {
    return graph.value(graph.node(dq).input(slot)).constant;
  };
  if (const Tensor* zero_point = constant(bias_dq, 2)) {
    const auto zeros = zero_point->to_ints();
    if (std::ranges::any_of(zeros, [](std::int64_t zero) { return zero != 0; })) return false;
  }
  const Tensor* input = constant(input_dq, 1);
  const Tensor* weight = constant(weight_dq, 1);
  const Tensor* bias = constant(bias_dq, 1);
  if (input == nullptr || weight == nullptr || bias == nullptr) return true;
  const std::vector<float> of_input = input->to_floats();
  const std::vector<float> of_weight = weight->to_floats();
  const std::vector<float> of_bias = bias->to_floats();
  if (of_input.size() != 1 || (of_weight.size() != of_bias.size() && of_bias.size() != 1))
    return false;
  for (std::size_t i = 0; i < of_weight.size(); ++i) {
    const double expected = static_cast<double>(of_input[0]) * static_cast<double>(of_weight[i]);
    const double found = of_bias[of_bias.size() == 1 ? 0 : i];
    if (!(std::abs(found - expected) <= 1e-6 + 1e-2 * std::abs(expected))) return false;
  }
  return true;
}

bool fuse_pairs(FusionGraph& graph, const FusionConfig& config) {
  bool changed = false;
  for (const std::size_t i : graph.order()) {
    if (graph.is_alive(i)) changed |= fuse_at(graph, i, config);
  }
  return changed;
}

}  // namespace planish::quantize_detail
