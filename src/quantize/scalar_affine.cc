#include "quantize/scalar_affine.h"

#include <algorithm>
#include <cmath>

#include "planish/quantize/op_rules.h"
#include "quantize/overrides.h"

namespace planish::quantize_detail {
namespace {

/// An Add or Mul of a tensor and one number.
struct ScalarOperation {
  std::string x = {};
  double number = 0.0;
};

std::optional<ScalarOperation> scalar_operation(const Node& node, std::string_view op_type,
                                                const GraphFacts& facts) {
  if (!node.is(op_type)) return std::nullopt;
  for (const std::size_t k : {0U, 1U}) {
    const Initializer* constant = facts.constant(node.input(k));
    const std::string& x = node.input(1 - k);
    if (constant == nullptr || facts.constant(x) != nullptr) continue;
    const Tensor& value = constant->value;
    if (value.element_count() != 1 || value.dtype() != DType::kFloat32) return std::nullopt;
    // One of a higher rank than x changes the shape.
    const ValueType* type = facts.index().type(x);
    const TensorType* tensor = type == nullptr ? nullptr : type->tensor();
    const std::size_t rank = tensor != nullptr && tensor->shape ? tensor->shape->size() : 0;
    if (value.rank() > rank) return std::nullopt;
    return ScalarOperation{x, value.to_floats().front()};
  }
  return std::nullopt;
}

class Giver {
 public:
  Giver(const Graph& graph, const GraphFacts& facts, const Ranges& ranges,
        const QuantizationConfig& config, const std::vector<NodeDecision>& decisions,
        GivenParamsMap& given)
      : graph_(graph),
        facts_(facts),
        ranges_(ranges),
        config_(config),
        decisions_(decisions),
        given_(given) {}

  void run() {
    // An Add first: it decides about the scale, perhaps through the Mul before it.
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (is_taken(i)) give_around_add(graph_.nodes[i]);
    }
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (is_taken(i)) give_around_mul(graph_.nodes[i]);
    }
  }

 private:
  [[nodiscard]] bool is_taken(std::size_t i) const {
    return decisions_[i].action == NodeAction::kQuantize;
  }

  /// Whether nothing but its range says what parameters `tensor` has.
  [[nodiscard]] bool is_free(const std::string& tensor) const {
    return !given_.contains(tensor) && override_of(config_, tensor) == nullptr;
  }

  /// Whether an integer kernel makes `x`, with whatever scale is wanted.
  [[nodiscard]] bool can_be_given(const std::string& x) const {
    const auto maker = facts_.index().producer(x);
    return maker && is_taken(*maker) && !decisions_[*maker].float_output &&
           chooses_output_params(graph_.nodes[*maker]) && ranges_.contains(x) && is_free(x);
  }

  /// Not where a clamp would be absorbed: an operator that is dropped writes no clamped values.
  [[nodiscard]] bool can_be_read_again(const std::string& y) const {
    return is_free(y) && std::ranges::none_of(facts_.index().uses(y), [&](const Use& use) {
             const OpRule* rule = find_op_rule(graph_.nodes[use.node].op_type);
             return rule != nullptr && rule->qdq == QdqRule::kClamp;
           });
  }

  void give_around_add(const Node& add) {
    const auto shift = scalar_operation(add, "Add", facts_);
    if (!shift || !can_be_read_again(add.output(0))) return;
    std::string x = shift->x;
    double factor = 1.0;
    if (const auto scale = scale_before(x)) {
      x = scale->x;
      factor = scale->number;
    }
    if (!can_be_given(x)) return;
    const auto form =
        scalar_affine_form(factor, shift->number, ranges_.find(x)->second, config_.activation);
    if (!form) return;
    given_[x] = {form->input, {}};
    if (x != shift->x) {
      given_[shift->x] = {{form->output.scale, form->input.zero_point, config_.activation},
                          all_integers_of(x)};
    }
    given_[add.output(0)] = {form->output, all_integers_of(x)};
  }

  /// The Mul that makes `x`, where only one node reads that.
  [[nodiscard]] std::optional<ScalarOperation> scale_before(const std::string& x) const {
    const auto maker = facts_.index().producer(x);
    if (!maker || !is_taken(*maker) || !facts_.index().has_single_use(x) || !is_free(x))
      return std::nullopt;
    auto scale = scalar_operation(graph_.nodes[*maker], "Mul", facts_);
    return scale && scale->number > 0.0 ? scale : std::nullopt;
  }

  void give_around_mul(const Node& mul) {
    const auto scale = scalar_operation(mul, "Mul", facts_);
    if (!scale || !(scale->number > 0.0) || !std::isfinite(scale->number)) return;
    if (!can_be_read_again(mul.output(0)) || !can_be_given(scale->x)) return;
    const QuantizationParams params =
        activation_params(scale->x, ranges_.find(scale->x)->second, DType::kFloat32, config_);
    const auto scaled = static_cast<float>(scale->number * static_cast<double>(params.scale));
    if (!std::isnormal(scaled) || params.dtype != config_.activation) return;
    given_[scale->x] = {params, {}};
    given_[mul.output(0)] = {{scaled, params.zero_point, params.dtype}, all_integers_of(scale->x)};
  }

  [[nodiscard]] IntegerClamp all_integers_of(const std::string& x) const {
    return {x, integer_limits(config_.activation)};
  }

  const Graph& graph_;
  const GraphFacts& facts_;
  const Ranges& ranges_;
  const QuantizationConfig& config_;
  const std::vector<NodeDecision>& decisions_;
  GivenParamsMap& given_;
};

}  // namespace

// How much coarser than its range asks for the input's scale may become. By noise alone √2 would be
// even, the second rounding being spared; on PP-OCRv4's detector that lost 0.8 dB, since the ranges
// of what follows are found on floats.
constexpr double kCoarser = 1.05;

std::optional<ScalarAffineForm> scalar_affine_form(double c, double d, TensorRange range,
                                                   DType dtype) {
  if (!(c > 0) || d == 0.0 || !std::isfinite(c) || !std::isfinite(d)) return std::nullopt;
  const IntegerLimits limits = integer_limits(dtype);
  const double steps = limits.max - limits.min;
  const double zero_at = -d / c;  // x where the output is 0
  const double asked = (std::max<double>(range.max, 0) - std::min<double>(range.min, 0)) / steps;
  const double low = std::min({static_cast<double>(range.min), 0.0, zero_at});
  const double high = std::max({static_cast<double>(range.max), 0.0, zero_at});
  const double distance = std::abs(zero_at);
  // Integers below and above the zero point; the last half step rounds into the range.
  const auto below = [&](double m) { return std::ceil(-low * m / distance - 0.5); };
  const auto above = [&](double m) { return std::ceil(high * m / distance - 0.5); };
  double m = std::min(steps, std::floor(distance * (steps + 1) / (high - low)));
  while (m >= 1 && below(m) + above(m) > steps) --m;
  if (!(m >= 1) || distance / m > asked * kCoarser) return std::nullopt;
  ScalarAffineForm form;
  const auto zero = limits.min + static_cast<std::int32_t>(below(m));
  const auto shift = static_cast<std::int32_t>(d > 0 ? m : -m);
  form.input = {static_cast<float>(distance / m), zero, dtype};
  form.output = {static_cast<float>(std::abs(d) / m), zero - shift, dtype};
  return form;
}

void give_params_around_scalars(const Graph& graph, const GraphFacts& facts, const Ranges& ranges,
                                const QuantizationConfig& config,
                                const std::vector<NodeDecision>& decisions, GivenParamsMap& given) {
  if (!allows_given_params(config) || !config.exclude_output_types.empty()) return;
  Giver(graph, facts, ranges, config, decisions, given).run();
}

}  // namespace planish::quantize_detail
