// Parameters of initializers: weights, constants read as activations, biases.
#pragma once

#include <optional>
#include <vector>

#include "planish/graph/model.h"
#include "planish/quantize/plan.h"

namespace planish::quantize_detail {

/// Whether weights of `dtype` are symmetric under `config`: signed ones unless it says otherwise.
Symmetry weight_symmetry(const QuantizationConfig& config, DType dtype);

/// The plan of `initializer` as `role`, of integer type `dtype`, per index of `axis` when given.
/// An empty tensor gets {1, 0}. @throws Error naming it when an element is NaN or infinite.
TensorPlan plan_initializer(const Initializer& initializer, TensorRole role, DType dtype,
                            std::optional<std::size_t> axis, Symmetry symmetry,
                            IntegerRange integers, const QuantizationConfig& config);

/// A constant that an integer operator reads as data: in the activation type, per tensor.
TensorPlan plan_operand(const Initializer& initializer, const QuantizationConfig& config);

/// Raises weight scales where the int32 bias of scale input_scale * weight scale would overflow.
/// Only for signed weights with zero point 0, as ONNX Runtime 1.32. Says whether any was raised.
bool adjust_weight_for_bias(TensorPlan& weight, float input_scale, const Tensor& bias);

/// input_scale * weight scale * beta in the arithmetic of `scale_dtype`, one per weight scale.
std::vector<float> bias_scales(float input_scale, const TensorPlan& weight, float beta,
                               DType scale_dtype);

/// The initializer of `plan`'s integers.
Tensor quantized_tensor(const Tensor& values, const TensorPlan& plan);
/// Scales as [] (per tensor) or [C] of plan.scale_dtype; zero points likewise of plan.dtype.
Tensor scale_tensor(const TensorPlan& plan);
Tensor zero_point_tensor(const TensorPlan& plan);
/// `values` as float32 or float16.
Tensor float_tensor(std::vector<std::int64_t> dims, const std::vector<float>& values, DType dtype);

}  // namespace planish::quantize_detail
