#include "random_models/error_bound.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "planish/base/error.h"
#include "planish/quantize/op_rules.h"
#include "random_models/random_model.h"

namespace planish::test {
namespace {

/// 2 K 2^-24 for sums of kMaxProducts, and room for the few roundings around them.
constexpr float kRounding = 0x1p-14F;
static_assert(kRounding >= 2 * kMaxProducts * 0x1p-24F);
/// A handful of roundings of single operations.
constexpr float kEpsilon = 0x1p-20F;

/// Elementwise operators by their largest slope; `exact` ones give an element or a constant as it
/// is.
struct Slope {
  std::string_view op_type = {};
  float slope = 1.0F;
  bool exact = true;
};
constexpr std::array kSlopes{
    Slope{"Relu"},
    Slope{"Clip"},
    Slope{"Neg"},
    Slope{"Identity"},
    Slope{"Sigmoid", 0.25F, false},
    Slope{"Tanh", 1.0F, false},
    Slope{"Erf", 1.12838F, false},      // 2 / sqrt(pi)
    Slope{"HardSigmoid", 0.2F, false},  // its alpha
    Slope{"LeakyRelu", 1.0F, false},    // or its alpha
};

/// Operators whose outputs' elements are elements of input 0, or the largest of some.
constexpr std::array<std::string_view, 11> kMoves{"MaxPool", "Reshape",   "Flatten", "Transpose",
                                                  "Slice",   "Split",     "Gather",  "Squeeze",
                                                  "Pad",     "Unsqueeze", "Resize"};
/// Operators whose outputs' elements are means of elements of input 0.
constexpr std::array<std::string_view, 3> kMeans{"AveragePool", "GlobalAveragePool", "ReduceMean"};

template <typename Table>
bool is_among(const Table& table, std::string_view op_type) {
  return std::ranges::find(table, op_type) != table.end();
}

/// The reals [low, high] that the integers of `params` stand for.
struct Representable {
  float low = 0.0F;
  float high = 0.0F;
};
Representable representable(const QuantizationParams& params) {
  const IntegerLimits limits = integer_limits(params.dtype);
  return {params.scale * static_cast<float>(limits.min - params.zero_point),
          params.scale * static_cast<float>(limits.max - params.zero_point)};
}

float quantization_error(float x, const QuantizationParams& params) {
  const Representable reals = representable(params);
  const float half_step = params.scale * (0.5F + kEpsilon) + kEpsilon * std::abs(x);
  return std::max({half_step, x - reals.high, reals.low - x});
}

/// Which of `count` parameter sets belongs to each element of a tensor of `dims`.
std::size_t channel_of(std::size_t element, std::span<const std::int64_t> dims, std::size_t axis) {
  std::size_t inner = 1;
  for (std::size_t i = axis + 1; i < dims.size(); ++i) inner *= static_cast<std::size_t>(dims[i]);
  return element / inner % static_cast<std::size_t>(dims[axis]);
}

/// The name of a value that bounds another; nothing: that one is exact.
using Term = std::optional<std::string>;

struct Bound {
  Term error = {};
  Term spread = {};
};

class BoundGraph {
 public:
  BoundGraph(const Model& model, const QuantizationPlan& plan) : source_(model), plan_(plan) {
    bounded_ = model;
    bounded_.graph.nodes.clear();
    bounded_.graph.outputs.clear();
    bounded_.graph.values.clear();
    find_turned();
    for (const Initializer& constant : model.graph.initializers) add_constant(constant);
    for (const ValueInfo& input : model.graph.inputs) set(input.name, {}, nullptr);
    for (std::size_t i = 0; i < model.graph.nodes.size(); ++i) add_node(i);
  }

  Bounds run(std::span<const NamedTensor> inputs) {
    for (const ValueInfo& output : source_.graph.outputs) {
      const Bound& bound = seen(output.name);
      show(emit("Identity", {output.name}));
      show(bound.error ? emit("Identity", {*bound.error}) : zeros_like(output.name));
      show(bound.spread ? emit("Identity", {*bound.spread}) : zeros_like(output.name));
    }
    show(largest_activation_ ? *largest_activation_ : scalar(0.0F));
    const auto session =
        open_session(bounded_, {.optimization = GraphOptimization::kNone, .memory_pattern = false});
    const std::vector<Tensor> answers = session->run(inputs);
    Bounds bounds;
    for (std::size_t k = 0; k < source_.graph.outputs.size(); ++k) {
      bounds.outputs.push_back(
          {source_.graph.outputs[k].name, answers[3 * k], answers[3 * k + 1], answers[3 * k + 2]});
    }
    bounds.largest_activation = answers.back().values<float>().front();
    return bounds;
  }

 private:
  // --- building ----------------------------------------------------------------------------------

  std::string emit(std::string op_type, std::vector<std::string> inputs,
                   std::vector<Attribute> attributes = {}) {
    Node node;
    node.op_type = std::move(op_type);
    node.inputs = std::move(inputs);
    node.outputs = {"bound#" + std::to_string(++count_)};
    node.attributes = std::move(attributes);
    bounded_.graph.nodes.push_back(node);
    return node.outputs.front();
  }

  std::string constant(Tensor value) {
    Initializer initializer;
    initializer.name = "bound#" + std::to_string(++count_);
    initializer.value = std::move(value);
    bounded_.graph.initializers.push_back(initializer);
    return initializer.name;
  }
  std::string scalar(float value) { return constant(Tensor::scalar(value)); }
  std::string scaled(const std::string& x, float factor) {
    return emit("Mul", {x, scalar(factor)});
  }
  std::string absolute(const std::string& x) { return emit("Abs", {x}); }
  std::string zeros_like(const std::string& x) { return emit("Sub", {x, x}); }
  std::string filled(const std::string& x, float value) {
    return emit("Add", {zeros_like(x), scalar(value)});
  }

  void show(const std::string& name) {
    ValueInfo info;
    info.name = name;
    bounded_.graph.outputs.push_back(std::move(info));
  }

  Term sum(const Term& a, const Term& b) {
    if (!a || !b) return a ? a : b;
    return emit("Add", {*a, *b});
  }
  Term times(const Term& a, float factor) { return a && factor != 1.0F ? scaled(*a, factor) : a; }

  /// `node` with other inputs; names of its outputs, which are new.
  std::vector<std::string> repeat(const Node& node, std::vector<std::string> inputs) {
    Node copy = node;
    copy.inputs = std::move(inputs);
    copy.name.clear();
    for (std::string& output : copy.outputs) output = "bound#" + std::to_string(++count_);
    bounded_.graph.nodes.push_back(copy);
    return copy.outputs;
  }

  // --- what readers see --------------------------------------------------------------------------

  [[nodiscard]] bool is_dynamic() const { return plan_.config.mode == QuantizationMode::kDynamic; }

  const Bound& seen(const std::string& value) {
    static const Bound exact;
    const auto found = seen_.find(value);
    return found == seen_.end() ? exact : found->second;
  }

  [[nodiscard]] const TensorPlan* root_of(const TensorPlan* tensor) const {
    while (tensor != nullptr && !tensor->shares.empty()) tensor = plan_.find(tensor->shares);
    return tensor;
  }

  /// Values as they are computed, and as readers see them: quantized when the plan says so.
  void set(const std::string& value, Bound computed, const Node* maker) {
    computed_[value] = computed;
    const TensorPlan* tensor = plan_.find(value);
    if (tensor == nullptr || tensor->role != TensorRole::kActivation) {
      seen_[value] = turned_.contains(value) ? perhaps_quantized(value, computed) : computed;
      return;
    }
    // What only moves the elements of a quantized tensor gives integers of the same parameters.
    const bool moves = maker != nullptr && is_among(kMoves, maker->op_type) &&
                       maker->string_attribute("mode", "") != "linear" && maker->op_type != "Pad";
    const QuantizationParams& params = root_of(tensor)->params.front();
    // QLinearSoftmax multiplies by floor(1 / S), which may be one too few.
    if (maker != nullptr && maker->op_type == "Softmax") {
      computed.error = sum(computed.error, scaled(value, params.scale));
      computed.spread = sum(computed.spread, scaled(value, params.scale));
    }
    // Interpolation of integers rounds towards zero: up to a whole step.
    if (maker != nullptr && maker->op_type == "Resize" && !moves)
      computed.error = sum(computed.error, scalar(params.scale / 2));
    seen_[value] = !tensor->shares.empty() && moves ? computed : quantized(value, computed, params);
  }

  /// From level basic on ONNX Runtime moves a QuantizeLinear behind a Transpose, or behind a clamp
  /// of it, to before it; a caller who asks for the Transpose's input is then given what is
  /// dequantized.
  void find_turned() {
    std::map<std::string, QuantizationParams, std::less<>> movable;  // by what would be quantized
    const auto& nodes = source_.graph.nodes;
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
      const bool clamps = node->op_type == "Relu" || node->op_type == "Clip";
      if (node->op_type != "Transpose" && !clamps) continue;
      const auto behind = movable.find(node->output(0));
      const TensorPlan* root = root_of(plan_.find(node->output(0)));
      if (root == nullptr && behind == movable.end()) continue;
      movable[node->input(0)] = root != nullptr ? root->params.front() : behind->second;
      if (!clamps) turned_[node->input(0)] = movable[node->input(0)];
    }
  }

  Bound perhaps_quantized(const std::string& value, const Bound& x) {
    Bound bound = quantized(value, x, turned_.at(value));
    bound.spread = sum(x.spread, quantized(value, {}, turned_.at(value)).error);
    return bound;
  }

  Bound quantized(const std::string& value, const Bound& x, const QuantizationParams& params) {
    const Representable reals = representable(params);
    const Term magnitude = scaled(absolute(value), kEpsilon);
    const std::string half_step =
        emit("Add", {*sum(x.error, magnitude), scalar(params.scale * (0.5F + kEpsilon))});
    const std::string above = emit("Sub", {value, scalar(reals.high)});
    const std::string below = emit("Sub", {scalar(reals.low), value});
    const std::string cut = emit("Add", {emit("Max", {above, below}), *magnitude});
    Bound bound{.error = emit("Max", {half_step, cut})};
    // Of two pairs in a row ONNX Runtime makes one, with parameters of its own, from level basic
    // on.
    const bool is_second_pair = x.error && plan_.config.format == QuantizationFormat::kQdq;
    if (x.spread || is_second_pair) bound.spread = sum(x.spread, filled(value, params.scale));
    return bound;
  }

  // --- constants ---------------------------------------------------------------------------------

  void add_constant(const Initializer& constant) {
    if (constant.value.dtype() != DType::kFloat32) return;
    if (const TensorPlan* tensor = constant_plan(constant.name)) {
      std::optional<std::size_t> axis = tensor->axis;
      if (tensor->tensor != constant.name && axis) axis = 1 - *axis;  // of the transposed copy
      set_constant(constant, tensor->params, axis);
      return;
    }
    for (const BiasPlan& bias : plan_.biases) {
      const bool replaces = plan_.config.format == QuantizationFormat::kQdq &&
                            bias.copy == constant.name && !bias.scales.empty();
      if (replaces) seen_[constant.name] = {.error = bias_error(constant.value, bias.scales)};
    }
  }

  /// "<name>_Transposed", or "<name>_Transposed_2" where that is taken.
  static bool is_transposed_of(const std::string& name, std::string_view transposed) {
    const std::string usual = name + "_Transposed";
    if (!transposed.starts_with(usual)) return false;
    transposed.remove_prefix(usual.size());
    return transposed.empty() ||
           (transposed.starts_with('_') && transposed.size() > 1 &&
            transposed.find_first_not_of("0123456789", 1) == std::string_view::npos);
  }

  /// In dynamic mode a Gemm's weight may be stored transposed, under a name of its own.
  [[nodiscard]] const TensorPlan* constant_plan(const std::string& name) const {
    const auto is_constant = [](const TensorPlan& tensor) {
      return tensor.role == TensorRole::kConstant || tensor.role == TensorRole::kWeight;
    };
    if (const TensorPlan* tensor = plan_.find(name)) return is_constant(*tensor) ? tensor : nullptr;
    if (!is_dynamic()) return nullptr;
    for (const TensorPlan& tensor : plan_.tensors) {
      // A constant of the model may have such a name, too.
      const bool is_copy = !this->is_constant(tensor.tensor) && is_constant(tensor);
      if (is_copy && is_transposed_of(name, tensor.tensor)) return &tensor;
    }
    return nullptr;
  }

  void set_constant(const Initializer& initializer, std::span<const QuantizationParams> params,
                    std::optional<std::size_t> axis) {
    const auto values = initializer.value.values<float>();
    std::vector<float> errors;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t channel = axis ? channel_of(i, initializer.value.dims(), *axis) : 0;
      errors.push_back(quantization_error(values[i], params[channel]));
    }
    seen_[initializer.name] = {.error = constant(Tensor::of(initializer.value.dims(), errors))};
  }

  std::string bias_error(const Tensor& bias, std::span<const float> scales) {
    const auto values = bias.values<float>();
    std::vector<float> errors;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float step = scales[scales.size() == 1 ? 0 : i];
      // Scales below float32's smallest number make the bias 0; beyond int32 it is cut off.
      const float cut = std::abs(values[i]) - step * 0x1p31F;
      errors.push_back(step == 0.0F ? std::abs(values[i])
                                    : std::max(cut, 0.0F) + step * (0.5F + kEpsilon) +
                                          kEpsilon * std::abs(values[i]));
    }
    return constant(Tensor::of(bias.dims(), errors));
  }

  // --- nodes -------------------------------------------------------------------------------------

  void add_node(std::size_t i) {
    const Node& node = source_.graph.nodes[i];
    bounded_.graph.nodes.push_back(node);
    if (plan_.nodes[i].action == NodeAction::kAbsorb) return absorb(node);
    const bool is_product =
        node.op_type == "Conv" || node.op_type == "MatMul" || node.op_type == "Gemm";
    if (is_product) return set(node.output(0), product(i), &node);
    if (node.op_type == "Add" || node.op_type == "Mul" || node.op_type == "Concat")
      return set(node.output(0), combination(node), &node);
    if (node.op_type == "Softmax") return set(node.output(0), softmax(node), &node);
    if (node.op_type == "Constant") return;
    if (is_among(kMoves, node.op_type) || is_among(kMeans, node.op_type)) {
      // What moves measured integers gives measured integers.
      const std::string& data = node.input(0);
      const bool is_measured = is_dynamic() && plan_.nodes[i].quantized && !is_constant(data);
      return move(node, is_measured ? measured(data) : seen(data));
    }
    const auto* slope = std::ranges::find(kSlopes, node.op_type, &Slope::op_type);
    if (slope == kSlopes.end()) {
      throw Error(ErrorCode::kUnsupported, "no error bound for " + node.op_type);
    }
    set(node.output(0), elementwise(node, *slope), &node);
  }

  /// A clamp that was dropped: between `low` and `high`, of the values `source`.
  struct Clamped {
    std::string source = {};
    float low = -HUGE_VALF;
    float high = HUGE_VALF;
  };

  /// The maker's result is clamped to what the integers stand for, not to the clamp's own bounds.
  /// Of several clamps in a row the last has the integers.
  void absorb(const Node& node) {
    const std::string& output = node.output(0);
    const auto before = clamped_.find(node.input(0));
    Clamped clamped = before == clamped_.end() ? Clamped{.source = node.input(0)} : before->second;
    clamped.low =
        std::max(clamped.low, node.op_type == "Relu" ? 0.0F : scalar_of(node.input(1), -HUGE_VALF));
    clamped.high = std::min(clamped.high, scalar_of(node.input(2), HUGE_VALF));
    clamped_[output] = clamped;
    const TensorPlan* root = root_of(plan_.find(output));
    if (root == nullptr) return;
    const QuantizationParams& params = root->params.front();
    const Representable reals = representable(params);
    Bound bound = quantized(output, computed_[clamped.source], params);
    const float beyond = std::max({0.0F, reals.high - clamped.high, clamped.low - reals.low});
    bound.error = emit("Add", {*bound.error, scalar(beyond)});
    computed_[output] = seen_[output] = std::move(bound);
  }

  [[nodiscard]] bool is_constant(const std::string& name) const {
    return std::ranges::count(source_.graph.initializers, name, &Initializer::name) > 0;
  }

  [[nodiscard]] float scalar_of(const std::string& name, float fallback) const {
    for (const Initializer& constant : source_.graph.initializers) {
      if (constant.name == name) return constant.value.values<float>().front();
    }
    return fallback;
  }

  Bound elementwise(const Node& node, const Slope& slope) {
    const float steepest = node.op_type == "LeakyRelu"
                               ? std::max(1.0F, node.float_attribute("alpha", 0.01F))
                               : slope.slope;
    const Bound& x = seen(node.input(0));
    const Bound bound{.error = times(x.error, steepest), .spread = times(x.spread, steepest)};
    return slope.exact ? bound : rounded(node.output(0), bound);
  }

  Bound rounded(const std::string& value, const Bound& bound) {
    return off_by(scaled(absolute(value), kEpsilon), bound);
  }
  Bound off_by(const std::string& rounding, const Bound& bound) {
    return {.error = sum(bound.error, rounding), .spread = sum(bound.spread, rounding)};
  }

  /// |softmax(x + d) - softmax(x)| <= max|d| / 2: a row of its Jacobian sums to 2 p (1 - p).
  Bound softmax(const Node& node) {
    const auto largest = [&](const Term& term) -> Term {
      if (!term) return std::nullopt;
      const std::vector<std::int64_t> axes{node.int_attribute("axis", -1)};
      const std::string half =
          source_.opset() >= 18
              ? emit("ReduceMax", {scaled(*term, 0.5F), constant(Tensor::of({1}, axes))})
              : emit("ReduceMax", {scaled(*term, 0.5F)}, {attribute("axes", axes)});
      return emit("Add", {half, zeros_like(node.output(0))});
    };
    const Bound& x = seen(node.input(0));
    return rounded(node.output(0), {.error = largest(x.error), .spread = largest(x.spread)});
  }

  static Attribute attribute(std::string name, Attribute::Value value) {
    Attribute made;
    made.name = std::move(name);
    made.value = std::move(value);
    return made;
  }

  /// `data`: the bound of input 0 as the node sees it.
  void move(const Node& node, const Bound& data) {
    const auto moved = [&](Term Bound::*part) -> std::vector<Term> {
      std::vector<std::string> inputs = node.inputs;
      bool any = false;
      for (std::size_t k = 0; k < inputs.size(); ++k) {
        const bool is_data = k == 0 || (node.op_type == "Pad" && k == 2);
        if (!is_data || inputs[k].empty()) continue;
        const Term& term = (k == 0 ? data : seen(inputs[k])).*part;
        any = any || term.has_value();
        inputs[k] = term ? *term : zeros_like(inputs[k]);
      }
      if (!any) return std::vector<Term>(node.outputs.size());
      const std::vector<std::string> names = repeat(node, std::move(inputs));
      return {names.begin(), names.end()};
    };
    const std::vector<Term> errors = moved(&Bound::error);
    const std::vector<Term> spreads = moved(&Bound::spread);
    const bool computes =
        is_among(kMeans, node.op_type) || node.string_attribute("mode", "") == "linear";
    for (std::size_t k = 0; k < node.outputs.size(); ++k) {
      Bound bound{.error = errors[k], .spread = spreads[k]};
      if (computes) {  // a mean is a sum of products as well
        std::vector<std::string> inputs = node.inputs;
        inputs[0] = absolute(inputs[0]);
        bound = off_by(scaled(repeat(node, std::move(inputs)).front(), kRounding), bound);
      }
      set(node.outputs[k], std::move(bound), &node);
    }
  }

  Bound combination(const Node& node) {
    if (node.op_type == "Concat") {
      const auto joined = [&](Term Bound::*part) -> Term {
        std::vector<std::string> inputs;
        bool any = false;
        for (const std::string& input : node.inputs) {
          const Term& term = seen(input).*part;
          any = any || term.has_value();
          inputs.push_back(term ? *term : zeros_like(input));
        }
        return any ? Term(repeat(node, std::move(inputs)).front()) : std::nullopt;
      };
      return {.error = joined(&Bound::error), .spread = joined(&Bound::spread)};
    }
    const std::string& a = node.input(0);
    const std::string& b = node.input(1);
    const Bound x = seen(a);
    const Bound y = seen(b);
    if (node.op_type == "Add") {
      return rounded(node.output(0),
                     {.error = sum(x.error, y.error), .spread = sum(x.spread, y.spread)});
    }
    const std::string most_a = largest_magnitude(a, x);
    const std::string most_b = largest_magnitude(b, y);
    const auto product_of = [&](const Term& term, const std::string& other) -> Term {
      return term ? Term(emit("Mul", {*term, other})) : std::nullopt;
    };
    return rounded(node.output(0),
                   {.error = sum(product_of(x.error, most_b), product_of(y.error, absolute(a))),
                    .spread = sum(product_of(x.spread, most_b), product_of(y.spread, most_a))});
  }

  /// |x| + error(x).
  std::string largest_magnitude(const std::string& value, const Bound& bound) {
    return *sum(absolute(value), bound.error);
  }

  /// Conv, MatMul, Gemm.
  Bound product(std::size_t i) {
    const Node& node = source_.graph.nodes[i];
    const bool quantizes = plan_.nodes[i].quantized;
    const std::string& x = node.input(0);
    const std::string& w = node.input(1);
    const Bound left = is_dynamic() && quantizes ? measured(x) : seen(x);
    const Bound right = seen(w);
    if (quantizes) note_activation(x, left);
    const std::string most_x = largest_magnitude(x, left);
    const std::string most_w = largest_magnitude(w, right);
    const Term rounding = scaled(most_x, kRounding);
    Bound bound;
    bound.error = multiply(node, *sum(left.error, rounding), most_w);
    bound.spread = multiply(node, *sum(left.spread, rounding), most_w);
    if (right.error) bound.error = sum(bound.error, multiply(node, absolute(x), *right.error));
    if (right.spread) bound.spread = sum(bound.spread, multiply(node, most_x, *right.spread));
    return node.input(2).empty() ? bound : with_bias(i, std::move(bound));
  }

  /// The node's own sums of products, on magnitudes, without the bias.
  std::string multiply(const Node& node, const std::string& x, const std::string& w) {
    Node bare = node;
    bare.inputs.resize(2);
    if (node.op_type == "Gemm") {
      bare.set_attribute("alpha", std::abs(node.float_attribute("alpha", 1.0F)));
    }
    return repeat(bare, {x, w}).front();
  }

  Bound with_bias(std::size_t i, Bound bound) {
    const Node& node = source_.graph.nodes[i];
    const std::string& name = node.input(2);
    const float beta = node.op_type == "Gemm" ? std::abs(node.float_attribute("beta", 1.0F)) : 1.0F;
    Term error = times(seen(name).error, beta);
    for (const BiasPlan& bias : plan_.biases) {
      if (bias.node != i || bias.scales.empty() || bias.zeroed) continue;
      for (const Initializer& constant : source_.graph.initializers) {
        if (constant.name == name) error = times(bias_error(constant.value, bias.scales), beta);
      }
    }
    const std::string rounding = scaled(absolute(name), kRounding * beta);
    const auto shaped = [&](const Term& term) -> Term {
      if (!term || node.op_type != "Conv") return term;
      // [M] as [M, 1, ...], to be added along axis 1.
      const std::size_t rank = weight_rank(node.input(1));
      std::vector<std::int64_t> dims(rank - 1, 1);
      dims[0] = -1;
      return emit("Reshape",
                  {*term, constant(Tensor::of({static_cast<std::int64_t>(rank - 1)}, dims))});
    };
    bound.error = sum(bound.error, shaped(sum(error, rounding)));
    bound.spread = sum(bound.spread, shaped(rounding));
    return bound;
  }

  [[nodiscard]] std::size_t weight_rank(const std::string& name) const {
    for (const Initializer& constant : source_.graph.initializers) {
      if (constant.name == name) return constant.value.rank();
    }
    throw Error(ErrorCode::kUnsupported, "no error bound for a computed weight");
  }

  // --- dynamic mode, and saturation --------------------------------------------------------------

  /// `x` quantized by its own range, in 255 steps. Its zero point is rounded, so the ends of the
  /// range may be cut by half a step, which is no more than rounding is off.
  Bound measured(const std::string& x) {
    const Bound before = seen(x);
    const std::string most = before.error ? emit("Add", {x, *before.error}) : x;
    const std::string least = before.error ? emit("Sub", {x, *before.error}) : x;
    const std::string zero = scalar(0.0F);
    const std::vector<Attribute> whole{attribute("keepdims", std::int64_t{0})};
    const std::string high = emit("Max", {emit("ReduceMax", {most}, whole), zero});
    const std::string low = emit("Min", {emit("ReduceMin", {least}, whole), zero});
    const std::string step = scaled(emit("Sub", {high, low}), (1.0F + 16 * kEpsilon) / 255.0F);
    Bound bound;
    bound.error = emit(
        "Add", {*sum(before.error, scaled(absolute(x), kEpsilon)), scaled(step, 0.5F + kEpsilon)});
    if (before.spread) bound.spread = emit("Add", {*before.spread, step});
    largest_activation_ = scalar(255.0F);
    return bound;
  }

  void note_activation(const std::string& x, const Bound& bound) {
    const TensorPlan* root = root_of(plan_.find(x));
    if (is_dynamic() || root == nullptr) return;
    const QuantizationParams& params = root->params.front();
    const std::string most =
        emit("ReduceMax", {*sum(x, bound.error)}, {attribute("keepdims", std::int64_t{0})});
    const auto offset = static_cast<float>(params.zero_point - integer_limits(params.dtype).min);
    // Convolutions pad with the zero point.
    const std::string padding = scalar(0.0F);
    const std::string integer =
        emit("Add", {scaled(emit("Max", {most, padding}), 1.0F / params.scale), scalar(offset)});
    largest_activation_ =
        largest_activation_ ? emit("Max", {*largest_activation_, integer}) : integer;
  }

  const Model& source_;
  const QuantizationPlan& plan_;
  Model bounded_;
  std::map<std::string, Bound, std::less<>> computed_;
  std::map<std::string, Bound, std::less<>> seen_;
  std::map<std::string, Clamped, std::less<>> clamped_;
  std::map<std::string, QuantizationParams, std::less<>> turned_;
  std::optional<std::string> largest_activation_;
  std::size_t count_ = 0;
};

}  // namespace

Bounds bounds_of(const Model& model, const QuantizationPlan& plan,
                 std::span<const NamedTensor> inputs) {
  return BoundGraph(model, plan).run(inputs);
}

}  // namespace planish::test
