#include "quantize/weights.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "planish/base/error.h"
#include "planish/quantize/op_rules.h"
#include "quantize/overrides.h"

namespace planish::quantize_detail {
namespace {

template <typename T>
Tensor integers(std::vector<std::int64_t> dims, const std::vector<QuantizationParams>& params) {
  std::vector<T> values;
  for (const QuantizationParams& one : params) values.push_back(static_cast<T>(one.zero_point));
  return Tensor::of(std::move(dims), values);
}

/// One range, or one per index of `axis`; zeros of an empty tensor.
std::vector<TensorRange> ranges_of(const Tensor& value, std::optional<std::size_t> axis) {
  if (value.element_count() == 0)
    return std::vector<TensorRange>(axis ? static_cast<std::size_t>(value.dims()[*axis]) : 1);
  if (axis) return ranges_per_channel(value, *axis);
  return {value.dtype() == DType::kFloat32 ? range_of(value.values<float>())
                                           : range_of(value.to_floats())};
}

/// The override of channel `i`. One entry holds for all; but ONNX Runtime's QDQ quantizer takes
/// its range for the first channel only.
const ParamsOverride* channel_override(const TensorOverride& set, std::size_t i,
                                       const QuantizationConfig& config) {
  if (i < set.params.size()) return &set.params[i];
  const bool is_peers_qdq = config.profile == QuantizationProfile::kOnnxRuntime132 &&
                            config.mode == QuantizationMode::kStatic &&
                            config.format == QuantizationFormat::kQdq;
  return is_peers_qdq && !set.params.front().scale ? nullptr : &set.params.front();
}

void require_channels(const std::string& tensor, bool fits) {
  if (fits) return;
  throw Error(ErrorCode::kInvalidArgument,
              "overrides of '" + tensor + "': the operator has no channels along that axis");
}

std::vector<std::int64_t> params_dims(const TensorPlan& plan) {
  if (!plan.axis) return {};
  return {static_cast<std::int64_t>(plan.params.size())};
}

}  // namespace

bool has_two_channel_axes(const std::string& weight, const Graph& graph, const GraphFacts& facts) {
  const Initializer* constant = facts.constant(weight);
  if (constant == nullptr) return false;
  std::optional<std::size_t> first;
  for (const Use& use : facts.index().uses(weight)) {
    const Node& node = graph.nodes[use.node];
    const OpRule* rule = find_op_rule(node.op_type);
    if (use.input != 1 || rule == nullptr || rule->best != BestUse::kCompute) continue;
    const bool by_rows = node.op_type == "Gemm" && node.int_attribute("transB", 0) != 0;
    const auto axis = normalized_axis(by_rows ? 0 : rule->channel_axis, constant->value.rank());
    if (first && axis != first) return true;
    first = axis;
  }
  return false;
}

Symmetry weight_symmetry(const QuantizationConfig& config, DType dtype) {
  const bool is_signed = dtype == DType::kInt8 || dtype == DType::kInt16;
  return config.symmetric_weights.value_or(is_signed) ? Symmetry::kSymmetric
                                                      : Symmetry::kAsymmetric;
}

Symmetry data_symmetry(const QuantizationConfig& config) {
  return config.symmetric_activations ? Symmetry::kSymmetric : Symmetry::kAsymmetric;
}

TensorPlan plan_initializer(const Initializer& initializer, const InitializerRule& rule,
                            const QuantizationConfig& config) {
  const Tensor& value = initializer.value;
  TensorPlan plan{.tensor = initializer.name,
                  .role = rule.role,
                  .dtype = rule.dtype,
                  .scale_dtype = value.dtype(),
                  .axis = rule.axis};
  ParamsOptions options{.symmetry = rule.symmetry,
                        .integers = rule.integers,
                        .min_real_range = config.min_real_range,
                        .scale_dtype = value.dtype()};
  const TensorOverride* set = override_of(config, initializer.name);
  if (set != nullptr) override_options(set->params.front(), options);
  return in_context("'" + initializer.name + "'", [&] {
    const std::vector<TensorRange> ranges = ranges_of(value, rule.axis);
    if (set != nullptr && set->params.size() != 1 && set->params.size() != ranges.size()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "overrides for " + std::to_string(set->params.size()) +
                      " channels; expected one entry, or one for each of " +
                      std::to_string(ranges.size()));
    }
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      const ParamsOverride* mine = set == nullptr ? nullptr : channel_override(*set, i, config);
      if (value.element_count() == 0) {
        plan.params.push_back({1.0F, 0, rule.dtype});
      } else {
        plan.params.push_back(overridden_params(mine, ranges[i], rule.dtype, options));
      }
    }
    return plan;
  });
}

TensorPlan plan_weight(const Initializer& initializer, std::optional<std::int64_t> axis,
                       DType dtype, const QuantizationConfig& config) {
  const std::size_t rank = initializer.value.rank();
  const auto channels = axis ? normalized_axis(*axis, rank) : std::nullopt;
  InitializerRule rule{.role = TensorRole::kWeight};
  rule.dtype = dtype_of(config, initializer.name, dtype);
  rule.symmetry = weight_symmetry(config, rule.dtype);
  if (config.weights == Granularity::kPerChannel) rule.axis = channels;
  if (config.reduce_range) rule.integers = IntegerRange::kReduced;
  if (const TensorOverride* set = override_of(config, initializer.name)) {
    rule.axis = set->axis ? normalized_axis(*set->axis, rank) : std::nullopt;
    if (rule.axis) require_channels(initializer.name, rule.axis == channels);
    // ONNX Runtime's quantizer takes what has not the type of weights for data.
    if (config.profile == QuantizationProfile::kOnnxRuntime132 && !rule.axis &&
        rule.dtype != config.weight)
      rule.symmetry = data_symmetry(config);
  }
  return plan_initializer(initializer, rule, config);
}

TensorPlan plan_operand(const Initializer& initializer, const QuantizationConfig& config) {
  const TensorOverride* set = override_of(config, initializer.name);
  require_channels(initializer.name, set == nullptr || !set->axis);
  InitializerRule rule{.role = TensorRole::kConstant, .symmetry = data_symmetry(config)};
  rule.dtype = dtype_of(config, initializer.name, config.activation);
  // When both are of one type ONNX Runtime's quantizer cannot tell a constant from a weight.
  const bool is_parity = config.profile == QuantizationProfile::kOnnxRuntime132;
  if (is_parity && rule.dtype == config.weight)
    rule.symmetry = weight_symmetry(config, config.weight);
  return plan_initializer(initializer, rule, config);
}

bool adjust_weight_for_bias(TensorPlan& weight, float input_scale, const Tensor& bias,
                            HalfRounding rounding) {
  const bool is_signed = weight.dtype == DType::kInt8 || weight.dtype == DType::kInt16;
  const bool centred = std::ranges::all_of(
      weight.params, [](const QuantizationParams& one) { return one.zero_point == 0; });
  const std::vector<float> values = bias.to_floats();
  if (!is_signed || !centred || values.empty()) return false;
  if (weight.axis && values.size() != weight.params.size()) return false;
  bool raised = false;
  float largest = 0.0F;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  for (std::size_t i = 0; i < weight.params.size(); ++i) {
    const double smallest = weight.axis ? smallest_bias_scale(std::abs(values[i]), bias.dtype())
                                        : smallest_bias_scale(static_cast<double>(largest));
    float& scale = weight.params[i].scale;
    const float needed =
        weight_scale_for_bias(input_scale, scale, smallest, weight.scale_dtype, rounding);
    raised = raised || needed != scale;
    scale = needed;
  }
  return raised;
}

bool make_room_for_bias(TensorPlan& weight, float input_scale, const Tensor& weight_values,
                        const Tensor& bias) {
  const std::vector<float> values = bias.to_floats();
  if (values.empty() || (weight.axis && values.size() != weight.params.size())) return false;
  const auto absmax = [](float most, float value) { return std::max(most, std::abs(value)); };
  const float largest = std::accumulate(values.begin(), values.end(), 0.0F, absmax);
  const std::size_t products = weight_values.element_count() / values.size();
  bool raised = false;
  for (std::size_t i = 0; i < weight.params.size(); ++i) {
    const double smallest =
        smallest_bias_scale(weight.axis ? std::abs(values[i]) : largest, products);
    float& scale = weight.params[i].scale;
    const float needed = weight_scale_for_bias(input_scale, scale, smallest, weight.scale_dtype);
    raised = raised || needed != scale;
    scale = needed;
  }
  return raised;
}

std::vector<float> bias_scales(float input_scale, const TensorPlan& weight, float beta,
                               DType scale_dtype) {
  const auto round = [&](float value) {
    return scale_dtype == DType::kFloat16 ? float_from_half(half_from_float(value)) : value;
  };
  std::vector<float> scales;
  for (const QuantizationParams& one : weight.params) {
    scales.push_back(round(round(input_scale * one.scale) * beta));
  }
  return scales;
}

bool half_scales_vanish(const std::vector<float>& scales, const Tensor& bias) {
  constexpr double kLargest = std::numeric_limits<std::int32_t>::max();
  const std::vector<float> values = bias.to_floats();
  if (std::ranges::count(scales, 0.0F) > 0) return true;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double scale = scales[scales.size() == 1 ? 0 : i];
    if (std::abs(static_cast<double>(values[i])) > kLargest * scale) return true;
  }
  return false;
}

std::vector<float> wide_bias_scales(float input_scale, const TensorPlan& weight, float beta,
                                    const Tensor& bias, bool zeroed) {
  constexpr double kLargest = std::numeric_limits<std::int32_t>::max();
  std::vector<float> scales = bias_scales(input_scale, weight, beta, DType::kFloat32);
  std::vector<double> needed(scales.size(), 0.0);
  const std::vector<float> values = zeroed ? std::vector<float>() : bias.to_floats();
  for (std::size_t i = 0; i < values.size(); ++i) {
    double& most = needed[scales.size() == 1 ? 0 : i];
    most = std::max(most, std::abs(static_cast<double>(values[i])) / kLargest);
  }
  for (std::size_t i = 0; i < scales.size(); ++i) {
    const double scale = std::max(static_cast<double>(scales[i]), needed[i] * 1.0001);
    scales[i] = static_cast<float>(scale);
    if (scales[i] == 0.0F) scales[i] = 1.0F;
  }
  return scales;
}

Tensor quantized_tensor(const Tensor& values, const TensorPlan& plan) {
  return in_context("'" + plan.tensor + "'", [&] {
    if (plan.integers) {
      if (plan.integers->dtype() == plan.dtype && plan.integers->dims() == values.dims())
        return *plan.integers;
      throw Error(ErrorCode::kInvalidArgument, "integers of shape " +
                                                   to_string(plan.integers->dims()) +
                                                   " for a weight of " + to_string(values.dims()));
    }
    return plan.axis ? quantize_per_channel(values, plan.params, *plan.axis)
                     : quantize(values, plan.params.front());
  });
}

Tensor float_tensor(std::vector<std::int64_t> dims, const std::vector<float>& values, DType dtype) {
  if (dtype == DType::kFloat32) return Tensor::of(std::move(dims), values);
  std::vector<std::byte> bytes;
  for (const float value : values) {
    const std::uint16_t bits = half_from_float(value);
    bytes.push_back(static_cast<std::byte>(bits & 0xFFU));
    bytes.push_back(static_cast<std::byte>(bits >> 8U));
  }
  return Tensor(DType::kFloat16, std::move(dims), std::move(bytes));
}

Tensor scale_tensor(const TensorPlan& plan) {
  std::vector<float> scales;
  for (const QuantizationParams& one : plan.params) scales.push_back(one.scale);
  return float_tensor(params_dims(plan), scales, plan.scale_dtype);
}

Tensor zero_point_tensor(const TensorPlan& plan) {
  switch (plan.dtype) {
    case DType::kUInt8:
      return integers<std::uint8_t>(params_dims(plan), plan.params);
    case DType::kInt8:
      return integers<std::int8_t>(params_dims(plan), plan.params);
    case DType::kUInt16:
      return integers<std::uint16_t>(params_dims(plan), plan.params);
    case DType::kInt16:
      return integers<std::int16_t>(params_dims(plan), plan.params);
    default:
      throw Error(ErrorCode::kInternal, "zero point of a type that is not quantized to");
  }
}

}  // namespace planish::quantize_detail
