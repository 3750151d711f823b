// Plans Q/DQ pairs: gives parameters to the tensors that are marked (qdq_marks.h).
#include <algorithm>
#include <optional>
#include <unordered_map>

#include "planish/base/error.h"
#include "quantize/overrides.h"
#include "quantize/planners.h"
#include "quantize/qdq_marks.h"
#include "quantize/weights.h"

namespace planish::quantize_detail {
namespace {

class QdqPlanner {
 public:
  explicit QdqPlanner(PlanInput input)
      : in_(std::move(input)), facts_(in_.facts), config_(in_.config), marks_(mark_tensors(in_)) {
    plan_.config = config_;
  }

  QuantizationPlan run() {
    plan_initializers();
    raise_weight_scales();
    plan_own_tensors();
    plan_shared_tensors();
    plan_biases();
    plan_.nodes = std::move(in_.decisions);
    return std::move(plan_);
  }

 private:
  void plan_initializers() {
    for (const Mark& mark : marks_.tensors) {
      const Initializer* constant = mark.dropped ? nullptr : facts_.constant(mark.tensor);
      if (constant == nullptr) continue;
      const bool is_weight = mark.role == TensorRole::kWeight;
      InitializerRule rule{.role = is_weight ? TensorRole::kWeight : TensorRole::kConstant};
      rule.dtype = dtype_of(config_, mark.tensor, is_weight ? config_.weight : config_.activation);
      rule.axis = axis_of(mark, *constant);
      rule.symmetry = is_weight ? weight_symmetry(config_, rule.dtype) : data_symmetry(config_);
      // Integer kernels take one zero point for all channels.
      if (rule.axis) rule.symmetry = Symmetry::kSymmetric;
      rule.integers = config_.reduce_range ? IntegerRange::kReduced : IntegerRange::kFull;
      constants_.emplace(mark.tensor, plan_initializer(*constant, rule, config_));
    }
  }

  /// Overrides give channels to constants that are read as activations too.
  [[nodiscard]] std::optional<std::size_t> axis_of(const Mark& mark,
                                                   const Initializer& constant) const {
    const TensorOverride* set = override_of(config_, mark.tensor);
    if (set == nullptr || !set->axis) return mark.axis;
    return normalized_axis(*set->axis, constant.value.rank());
  }

  /// The scale that `reader` gets the integers of `tensor` with; nothing when it has none.
  [[nodiscard]] std::optional<float> scale_for(const std::string& tensor,
                                               const std::string& reader) const {
    const TensorPlan* plan = planned(tensor);
    if (plan == nullptr) return scale_of_source(tensor);
    if (plan->conversion && receives_converted(config_, tensor, reader))
      return plan->conversion->params.scale;
    while (!plan->shares.empty()) {
      const TensorPlan* provider = planned(plan->shares);
      if (plan->shares_converted) return provider->conversion->params.scale;
      plan = provider;
    }
    return plan->params.front().scale;
  }

  /// Of a tensor that the source model dequantizes itself.
  [[nodiscard]] std::optional<float> scale_of_source(const std::string& tensor) const {
    const auto given = marks_.already.find(tensor);
    if (given == marks_.already.end()) return std::nullopt;
    const Initializer* scale = facts_.constant(in_.model.graph.nodes[given->second].input(1));
    if (scale == nullptr || scale->value.element_count() != 1) return std::nullopt;
    return scale->value.to_floats().front();
  }

  /// The tensor at the end of the chain of shared parameters.
  [[nodiscard]] std::string root_of(std::string tensor) const {
    for (const Mark* mark = marks_.find(tensor); mark != nullptr && !mark->shares.empty();
         mark = marks_.find(tensor)) {
      tensor = mark->shares;
    }
    return tensor;
  }

  void raise_weight_scales() {
    if (!config_.adjust_weights_for_bias) return;
    for (const BiasMark& bias : marks_.biases) {
      const auto weight = constants_.find(bias.weight);
      const Mark* mark = marks_.find(bias.input);
      if (weight == constants_.end() || mark == nullptr) continue;
      // ONNX Runtime takes the calibrated range of the input itself even where the input shares the
      // parameters of another tensor.
      const std::string source = in_.is_parity() ? bias.input : root_of(bias.input);
      if (!in_.ranges.contains(source) && !in_.given.contains(source)) continue;
      const std::string& reader = in_.model.graph.nodes[bias.node].name;
      const DType scale_dtype = facts_.dtype(source);
      const QuantizationParams params =
          receives_converted(config_, source, reader)
              ? converted_params(source, in_.ranges.find(source)->second, scale_dtype, config_)
              : in_.activation(source, scale_dtype).params.front();
      const Tensor& values = facts_.constant(bias.bias)->value;
      if (in_.is_parity()) {
        adjust_weight_for_bias(weight->second, params.scale, values);
      } else {
        make_room_for_bias(weight->second, params.scale, facts_.constant(bias.weight)->value,
                           values);
      }
    }
  }

  void plan_own_tensors() {
    for (const Mark& mark : marks_.tensors) {
      if (mark.dropped || !mark.shares.empty()) continue;
      const auto constant = constants_.find(mark.tensor);
      if (constant != constants_.end()) {
        add_tensor(constant->second);
      } else if (!marks_.already.contains(mark.tensor)) {
        add_tensor(plan_activation(mark.tensor));
      }
    }
  }

  [[nodiscard]] TensorPlan plan_activation(const std::string& tensor) const {
    TensorPlan plan = in_.activation(tensor, facts_.dtype(tensor));
    plan.conversion = plan_conversion(tensor);
    return plan;
  }

  /// The second pair that the user wants behind `tensor`, if its range is known.
  [[nodiscard]] std::optional<Conversion> plan_conversion(const std::string& tensor) const {
    const TensorOverride* set = override_of(config_, tensor);
    const auto range = in_.ranges.find(tensor);
    if (set == nullptr || !set->convert || range == in_.ranges.end()) return std::nullopt;
    return Conversion{converted_params(tensor, range->second, facts_.dtype(tensor), config_),
                      set->convert->readers};
  }

  /// In rounds, like the Python quantizer: a tensor follows once its provider has parameters.
  void plan_shared_tensors() {
    bool grew = true;
    while (grew) {
      grew = false;
      for (const Mark& mark : marks_.tensors) {
        if (mark.dropped || mark.shares.empty() || planned(mark.tensor) != nullptr) continue;
        const TensorPlan* provider = planned(mark.shares);
        if (provider == nullptr) continue;
        add_tensor(plan_shared(mark, *provider));
        grew = true;
      }
    }
  }

  [[nodiscard]] TensorPlan plan_shared(const Mark& mark, const TensorPlan& provider) const {
    TensorPlan plan{.tensor = mark.tensor,
                    .role = TensorRole::kActivation,
                    .dtype = provider.dtype,
                    .scale_dtype = provider.scale_dtype,
                    .shares = mark.shares};
    plan.shares_converted =
        provider.conversion && receives_converted(config_, mark.shares, mark.shares_at);
    if (plan.shares_converted) plan.dtype = provider.conversion->params.dtype;
    plan.conversion = plan_conversion(mark.tensor);
    return plan;
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
    for (const BiasMark& mark : marks_.biases) {
      // A constant that is read as an activation too is quantized as such.
      if (mark.copy == mark.bias && constants_.contains(mark.bias)) continue;
      BiasPlan bias{.node = mark.node, .bias = mark.bias, .copy = mark.copy};
      if (config_.quantize_bias) give_scales(mark, bias);
      if (bias.scales.empty() && bias.copy == bias.bias) continue;
      plan_.biases.push_back(std::move(bias));
    }
  }

  void give_scales(const BiasMark& mark, BiasPlan& bias) const {
    const auto input = scale_for(mark.input, in_.model.graph.nodes[mark.node].name);
    const TensorPlan* weight = planned(root_of(mark.weight));
    if (!input || weight == nullptr) return;
    bias.scale_dtype = facts_.dtype(mark.bias);
    bias.zeroed = mark.beta == 0.0F;
    const float beta = bias.zeroed ? 1.0F : mark.beta;
    bias.scales = bias_scales(*input, *weight, beta, bias.scale_dtype);
    if (bias.scale_dtype != DType::kFloat16) return;
    const Tensor& values = facts_.constant(mark.bias)->value;
    if (!bias.zeroed && !half_scales_vanish(bias.scales, values)) return;
    // Dequantized as float32 and cast, where a float16 scale would lose the bias.
    bias.scale_dtype = DType::kFloat32;
    bias.scales = wide_bias_scales(*input, *weight, beta, values, bias.zeroed);
  }

  PlanInput in_;
  const GraphFacts& facts_;
  const QuantizationConfig& config_;
  QdqMarks marks_;
  QuantizationPlan plan_;
  std::unordered_map<std::string, std::size_t> planned_;
  std::unordered_map<std::string, TensorPlan> constants_;
};

}  // namespace

QuantizationPlan plan_qdq(PlanInput input) { return QdqPlanner(std::move(input)).run(); }

}  // namespace planish::quantize_detail
