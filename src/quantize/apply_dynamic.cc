// Writes the integer operators of a dynamic plan, and what measures activations, into a model.
#include <unordered_set>

#include "planish/base/error.h"
#include "planish/graph/bodies.h"
#include "planish/graph/graph_index.h"
#include "planish/quantize/op_rules.h"
#include "quantize/emitter.h"
#include "quantize/gemm_split.h"
#include "quantize/names.h"
#include "quantize/planners.h"
#include "quantize/selection.h"
#include "quantize/weights.h"

namespace planish::quantize_detail {
namespace {

const std::string kContrib{kContribDomain};
const std::string kRange = "fixed_quantization_range_uint8";
const std::string kZero = "fixed_zero";

/// [a, b, c] → [a, c, b].
template <typename T>
Tensor swap_last_axes(const Tensor& tensor) {
  const auto a = static_cast<std::size_t>(tensor.dims()[0]);
  const auto b = static_cast<std::size_t>(tensor.dims()[1]);
  const auto c = static_cast<std::size_t>(tensor.dims()[2]);
  const auto from = tensor.values<T>();
  std::vector<T> to(from.size());
  for (std::size_t i = 0; i < a; ++i) {
    for (std::size_t j = 0; j < b; ++j) {
      for (std::size_t k = 0; k < c; ++k) to[(i * c + k) * b + j] = from[(i * b + j) * c + k];
    }
  }
  return Tensor::of({tensor.dims()[0], tensor.dims()[2], tensor.dims()[1]}, to);
}

/// The plan of a graph with Gemms split, from that of the graph it was. `source`, and `split_graph`
/// as it became.
QuantizationPlan plan_of_split(const QuantizationPlan& plan, const Graph& source,
                               const Graph& split_graph, const SplitOrigin& origin) {
  QuantizationPlan split;
  split.config = plan.config;
  split.tensors = plan.tensors;
  for (std::size_t i = 0; i < origin.nodes.size(); ++i) {
    const Node& node = split_graph.nodes[i];
    const Node& original = source.nodes[origin.nodes[i]];
    NodeDecision decision = plan.nodes[origin.nodes[i]];
    decision.node = node.name;
    decision.op_type = node.op_type;
    const bool is_remainder = original.op_type == "Gemm" && node.op_type != "MatMul";
    if (is_remainder && node.op_type != "Gemm") leave(decision, LeaveReason::kNoRule);
    split.nodes.push_back(std::move(decision));
  }
  // Both list the bodies in the order of the nodes.
  for (std::size_t k = 0; k < plan.bodies.size(); ++k) {
    const BodyPlan& body = plan.bodies[k];
    const SplitOrigin& inner = origin.bodies.at(k);
    split.bodies.push_back({inner.place, plan_of_split(body.plan, body_at(source, body.place),
                                                       body_at(split_graph, inner.place), inner)});
  }
  return split;
}

class DynamicRewriter {
 public:
  /// `plan` is about the nodes of `model`, which is split. `around`: of the graph whose body it is,
  /// else null.
  DynamicRewriter(const QuantizationPlan& plan, const Model& model,
                  DynamicRewriter* around = nullptr)
      : plan_(plan),
        rewriter_(plan, model),
        emitter_(rewriter_),
        types_(model.graph),
        around_(around) {
    if (around_ != nullptr) own_ = names_defined_in(model.graph);
  }

  Model run() {
    rewrite();
    return rewriter_.finish();
  }

 private:
  void rewrite() {
    // What is emitted takes the place of these nodes at the end.
    Graph& graph = rewriter_.graph();
    auto body = plan_.bodies.begin();
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
      for (; body != plan_.bodies.end() && body->place.node == i; ++body)
        body_at(graph, body->place) = rewritten(*body);
      if (plan_.nodes[i].action == NodeAction::kLeave) {
        emitter_.emit_left(graph.nodes[i]);
      } else {
        replace(graph.nodes[i]);
      }
    }
    emitter_.finish();
  }

  Graph rewritten(const BodyPlan& body) {
    Model model;
    model.opset_imports = rewriter_.model().opset_imports;
    model.graph = body_at(rewriter_.graph(), body.place);
    DynamicRewriter inner(body.plan, model, this);
    inner.rewrite();
    if (inner.rewriter_.model().opset(kContribDomain) != 0)
      rewriter_.model().set_opset(kContribDomain, 1);
    return inner.rewriter_.finish_body();
  }

  /// The rewriter of the graph that has `tensor`: its integers are made there.
  DynamicRewriter& owner_of(const std::string& tensor) {
    return around_ == nullptr || own_.contains(tensor) ? *this : around_->owner_of(tensor);
  }

  void replace(const Node& node) {
    const OpRule* rule = find_op_rule(node.op_type);
    switch (rule == nullptr ? DynamicRule::kNone : rule->dynamic) {
      case DynamicRule::kNone:
        throw Error(ErrorCode::kInvalidArgument,
                    "plan: node '" + node.name + "' (" + node.op_type + ") has no dynamic form");
      case DynamicRule::kMatMul:
        return replace_product(node, "MatMulInteger");
      case DynamicRule::kConv:
        return replace_product(node, "ConvInteger");
      case DynamicRule::kAttention:
        return replace_attention(node);
      case DynamicRule::kLstm:
        return replace_lstm(node);
      case DynamicRule::kShares:
      case DynamicRule::kGather:
        return keep_on_integers(node);
      case DynamicRule::kEmbedLayerNorm:
        return replace_embedding(node);
    }
  }

  IntegerValue integers_of(const std::string& tensor) {
    if (DynamicRewriter& owner = owner_of(tensor); &owner != this) return owner.integers_of(tensor);
    if (const IntegerValue* known = emitter_.find(tensor)) return *known;
    IntegerValue value{quantized_name(tensor), scale_name(tensor), zero_point_name(tensor), {}};
    const TensorPlan* plan = rewriter_.find(tensor);
    if (plan == nullptr) {
      if (rewriter_.model().opset() > 10) {
        emitter_.emit(make_node("DynamicQuantizeLinear", {tensor},
                                {value.integers, value.scale, value.zero_point},
                                q_node_name(tensor)));
      } else {
        measure_range(tensor, value);
      }
    } else {
      rewriter_.add_params(*plan);
      const Tensor values = rewriter_.constant(tensor)->value;
      rewriter_.add_constant(value.integers, quantized_tensor(values, *plan));
      if (plan->axis) value.axis = -1;  // the columns of a matrix
    }
    emitter_.set(tensor, value);
    return value;
  }

  /// DynamicQuantizeLinear written out, for opset 10; its zero point is rounded down there.
  void measure_range(const std::string& x, const IntegerValue& value) {
    const DType dtype = float_type_of(x);
    rewriter_.add_constant(kRange, float_tensor({}, {255.0F}, dtype));
    rewriter_.add_constant(kZero, float_tensor({}, {0.0F}, dtype));
    const std::string low = x + "_ReduceMin";
    const std::string high = x + "_ReduceMax";
    for (const auto& [op_type, name] :
         {std::pair("ReduceMin", low), std::pair("ReduceMax", high)}) {
      Node reduce = make_node(op_type, {x}, {name + ":0"}, name);
      reduce.set_attribute("keepdims", std::int64_t{0});
      emitter_.emit(std::move(reduce));
    }
    const auto emit = [&](const char* op_type, std::vector<std::string> inputs,
                          const std::string& name, std::string output = {}) {
      if (output.empty()) output = name + ":0";
      emitter_.emit(make_node(op_type, std::move(inputs), {output}, name));
    };
    emit("Sub", {high + ":0", low + ":0"}, value.scale + "_Sub");
    emit("Div", {value.scale + "_Sub:0", kRange}, value.scale + "_Div", value.scale);
    const std::string& zero = value.zero_point;
    emit("Sub", {kZero, low + ":0"}, zero + "_Sub");
    emit("Div", {zero + "_Sub:0", value.scale}, zero + "_Div");
    emit("Floor", {zero + "_Div:0"}, zero + "_Floor");
    Node cast = make_node("Cast", {zero + "_Floor:0"}, {zero}, zero + "_Cast");
    cast.set_attribute("to", static_cast<std::int64_t>(DType::kUInt8));
    emitter_.emit(std::move(cast));
    emit("QuantizeLinear", {x, value.scale, zero}, q_node_name(x), value.integers);
  }

  /// x, w → integer product → float → times both scales (→ plus the bias).
  void replace_product(const Node& node, const char* op_type) {
    const IntegerValue x = integers_of(node.input(0));
    const IntegerValue w = integers_of(node.input(1));
    const std::string& output = node.output(0);
    const std::string product = output + "_output_quantized";
    Node integer = integer_node(node, op_type, {x.integers, w.integers, x.zero_point, w.zero_point},
                                {product});
    if (node.op_type == "MatMul") integer.attributes.clear();
    const std::string name = integer.name;
    emitter_.emit(std::move(integer));
    const std::string floats = product + "_cast_output";
    Node cast = make_node("Cast", {product}, {floats}, product + "_cast");
    cast.set_attribute("to", static_cast<std::int64_t>(float_type_of(output)));
    emitter_.emit(std::move(cast));
    const std::string scales = multiply_scales(x, w, name);
    const bool has_bias =
        node.op_type == "Conv" && node.inputs.size() == 3 && !node.input(2).empty();
    const std::string scaled = has_bias ? output + "quant_scaled_output" : output;
    emitter_.emit(make_node("Mul", {floats, scales}, {scaled},
                            name.empty() ? "" : name + "_output_scale_mul"));
    if (has_bias) add_conv_bias(node, scaled);
  }

  std::string multiply_scales(const IntegerValue& x, const IntegerValue& w,
                              const std::string& name) {
    const std::string mul = name.empty() ? x.scale + "_" + w.scale + "_mul" : name + "_scales_mul";
    if (muls_.insert(mul).second) {
      emitter_.emit(make_node("Mul", {x.scale, w.scale}, {mul + ":0"}, mul));
    }
    return mul + ":0";
  }

  /// bias [M] as [1, M, 1, …], the rank of the weight.
  void add_conv_bias(const Node& node, const std::string& scaled) {
    const std::string& output = node.output(0);
    const std::string shape = output + "_bias_reshape_shape";
    const std::string reshaped = output + "_bias_reshape_output";
    const std::string& weight = node.input(1);
    const std::size_t rank = owner_of(weight).rewriter_.constant(weight)->value.rank();
    std::vector<std::int64_t> dims(rank, 1);
    if (rank > 1) dims[1] = -1;
    rewriter_.add_constant(shape, Tensor::of({static_cast<std::int64_t>(rank)}, dims));
    emitter_.emit(make_node("Reshape", {node.input(2), shape}, {reshaped}, ""));
    emitter_.emit(make_node("Add", {scaled, reshaped}, {output}, output + "_bias_add"));
  }

  /// float32 when the type is not declared.
  [[nodiscard]] DType float_type_of(const std::string& tensor) const {
    const DType dtype = types_.dtype(tensor);
    return dtype == DType::kUndefined ? DType::kFloat32 : dtype;
  }

  /// QAttention: x, w, bias, x scale, w scale, mask, x zero, w zero, past.
  void replace_attention(const Node& node) {
    const IntegerValue x = integers_of(node.input(0));
    const IntegerValue w = integers_of(node.input(1));
    emitter_.emit(integer_node(node, "QAttention",
                               {x.integers, w.integers, node.input(2), x.scale, w.scale,
                                node.input(3), x.zero_point, w.zero_point, node.input(4)},
                               node.outputs, kContrib));
  }

  /// W [directions, 4H, I] as [directions, I, 4H]; scales [directions] or [directions, 4H].
  std::string lstm_weight(const std::string& name) {
    if (DynamicRewriter& owner = owner_of(name); &owner != this) return owner.lstm_weight(name);
    const TensorPlan* plan = rewriter_.find(name);
    if (plan == nullptr) {
      throw Error(ErrorCode::kInvalidArgument, "plan: no parameters for '" + name + "'");
    }
    const std::string integers = quantized_name(name);
    if (rewriter_.constant(integers) != nullptr) return integers;
    const Tensor values = rewriter_.constant(name)->value;
    const std::vector<std::int64_t> dims = values.dims();
    const bool per_row = plan->params.size() != static_cast<std::size_t>(dims[0]);
    const Tensor rows = per_row ? values.reshaped({dims[0] * dims[1], dims[2]}) : values;
    const Tensor quantized = quantized_tensor(rows, *plan).reshaped(dims);
    rewriter_.add_constant(integers, swap_last_axes<std::int8_t>(quantized));
    std::vector<std::int64_t> scale_dims{dims[0]};
    if (per_row) scale_dims.push_back(dims[1]);
    rewriter_.add_constant(zero_point_name(name), zero_point_tensor(*plan).reshaped(scale_dims));
    rewriter_.add_constant(scale_name(name), scale_tensor(*plan).reshaped(scale_dims));
    return integers;
  }

  void replace_lstm(const Node& node) {
    const std::string& w = node.input(1);
    const std::string& r = node.input(2);
    std::vector<std::string> inputs{node.input(0), lstm_weight(w), lstm_weight(r)};
    for (std::size_t k = 3; k <= 7; ++k) inputs.push_back(node.input(k));
    inputs.insert(inputs.end(),
                  {scale_name(w), zero_point_name(w), scale_name(r), zero_point_name(r)});
    Node integer =
        integer_node(node, "DynamicQuantizeLSTM", std::move(inputs), node.outputs, kContrib);
    integer.remove_attribute("layout");
    emitter_.emit(std::move(integer));
    for (const std::size_t k : {0U, 3U, 4U, 5U, 6U, 7U}) emitter_.dequantize(node.input(k));
  }

  void keep_on_integers(const Node& node) {
    const IntegerValue data = integers_of(node.input(0));
    Node kept = node;
    kept.inputs[0] = data.integers;
    kept.outputs[0] = quantized_name(node.output(0));
    emitter_.set(node.output(0), {kept.outputs[0], data.scale, data.zero_point, {}});
    emitter_.emit(std::move(kept));
  }

  /// As in the QOperator format.
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
  GraphFacts types_;
  DynamicRewriter* const around_;
  std::unordered_set<std::string> own_;  // names that the body itself has; of bodies only
  std::unordered_set<std::string> muls_;
};

}  // namespace

SplitModel split_for(const QuantizationPlan& plan, const Model& model) {
  const Rewriter checked(plan, model);  // refuses a plan for another model
  if (plan.config.profile == QuantizationProfile::kOnnxRuntime132)
    return split_gemms(model, std::vector<bool>(plan.nodes.size(), true), BodySplit::kAll);
  return split_gemms(model, taken(plan.nodes), BodySplit::kNone);
}

Model apply_dynamic(const QuantizationPlan& plan, const Model& model) {
  const SplitModel split = split_for(plan, model);
  const QuantizationPlan split_plan =
      plan_of_split(plan, model.graph, split.model.graph, split.origin);
  return DynamicRewriter(split_plan, split.model).run();
}

}  // namespace planish::quantize_detail
