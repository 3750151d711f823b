#include "quantize/weights.h"

#include <algorithm>
#include <cmath>

#include "planish/base/error.h"

namespace planish::quantize_detail {
namespace {

template <typename T>
Tensor integers(std::vector<std::int64_t> dims, const std::vector<QuantizationParams>& params) {
  std::vector<T> values;
  for (const QuantizationParams& one : params) values.push_back(static_cast<T>(one.zero_point));
  return Tensor::of(std::move(dims), values);
}

std::vector<std::int64_t> params_dims(const TensorPlan& plan) {
  if (!plan.axis) return {};
  return {static_cast<std::int64_t>(plan.params.size())};
}

}  // namespace

Symmetry weight_symmetry(const QuantizationConfig& config, DType dtype) {
  const bool is_signed = dtype == DType::kInt8 || dtype == DType::kInt16;
  return config.symmetric_weights.value_or(is_signed) ? Symmetry::kSymmetric
                                                      : Symmetry::kAsymmetric;
}

TensorPlan plan_initializer(const Initializer& initializer, TensorRole role, DType dtype,
                            std::optional<std::size_t> axis, Symmetry symmetry,
                            IntegerRange integers_used, const QuantizationConfig& config) {
  const Tensor& value = initializer.value;
  TensorPlan plan{.tensor = initializer.name,
                  .role = role,
                  .dtype = dtype,
                  .scale_dtype = value.dtype(),
                  .params = {},
                  .axis = axis,
                  .shares = {},
                  .range = {}};
  ParamsOptions options{.symmetry = symmetry,
                        .integers = integers_used,
                        .min_real_range = config.min_real_range,
                        .scale_dtype = value.dtype()};
  return in_context("'" + initializer.name + "'", [&] {
    if (value.element_count() == 0) {
      plan.params.assign(axis ? static_cast<std::size_t>(value.dims()[*axis]) : 1,
                         {1.0F, 0, dtype});
      return plan;
    }
    if (axis) {
      for (const TensorRange& range : ranges_per_channel(value, *axis)) {
        plan.params.push_back(params_for(range, dtype, options));
      }
    } else {
      const TensorRange range = value.dtype() == DType::kFloat32 ? range_of(value.values<float>())
                                                                 : range_of(value.to_floats());
      plan.params.push_back(params_for(range, dtype, options));
    }
    return plan;
  });
}

TensorPlan plan_operand(const Initializer& initializer, const QuantizationConfig& config) {
  Symmetry symmetry = config.symmetric_activations ? Symmetry::kSymmetric : Symmetry::kAsymmetric;
  // When both are of one type ONNX Runtime's quantizer cannot tell a constant from a weight.
  const bool is_parity = config.profile == QuantizationProfile::kOnnxRuntime132;
  if (is_parity && config.activation == config.weight)
    symmetry = weight_symmetry(config, config.weight);
  return plan_initializer(initializer, TensorRole::kConstant, config.activation, std::nullopt,
                          symmetry, IntegerRange::kFull, config);
}

bool adjust_weight_for_bias(TensorPlan& weight, float input_scale, const Tensor& bias) {
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
    const double smallest = weight.axis ? smallest_bias_scale(std::abs(values[i]))
                                        : smallest_bias_scale(static_cast<double>(largest));
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

Tensor quantized_tensor(const Tensor& values, const TensorPlan& plan) {
  return in_context("'" + plan.tensor + "'", [&] {
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
