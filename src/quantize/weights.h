// Parameters of initializers: weights, constants read as activations, biases.
#pragma once

#include <optional>
#include <vector>

#include "planish/graph/model.h"
#include "planish/quantize/plan.h"
#include "quantize/graph_facts.h"

namespace planish::quantize_detail {

/// Whether matrix operators of `graph` read `weight` along different axes, such as a MatMul by its
/// columns and a Gemm with transB by its rows: scales along either axis are wrong for one of them.
bool has_two_channel_axes(const std::string& weight, const Graph& graph, const GraphFacts& facts);

/// Whether weights of `dtype` are symmetric under `config`: signed ones unless it says otherwise.
Symmetry weight_symmetry(const QuantizationConfig& config, DType dtype);

/// The same of activations, and of constants that are read as such.
Symmetry data_symmetry(const QuantizationConfig& config);

/// How an initializer is quantized where the user overrides nothing; dtype and axis are final.
struct InitializerRule {
  TensorRole role = TensorRole::kWeight;
  DType dtype = DType::kInt8;
  std::optional<std::size_t> axis = {};  // nothing: one scale
  Symmetry symmetry = Symmetry::kSymmetric;
  IntegerRange integers = IntegerRange::kFull;
};

/// The plan of `initializer` by `rule` and the config's overrides of it. An empty tensor gets
/// {1, 0}. @throws Error naming it when an element is NaN or infinite.
TensorPlan plan_initializer(const Initializer& initializer, const InitializerRule& rule,
                            const QuantizationConfig& config);

/// A weight of an integer operator that has its channels along `axis` (nothing: it takes one
/// scale).
/// @throws Error(kInvalidArgument) when overrides give it channels along another axis.
TensorPlan plan_weight(const Initializer& initializer, std::optional<std::int64_t> axis,
                       DType dtype, const QuantizationConfig& config);

/// A constant that an integer operator reads as data: in the activation type, per tensor.
TensorPlan plan_operand(const Initializer& initializer, const QuantizationConfig& config);

/// Raises weight scales where the int32 bias of scale input_scale * weight scale would overflow.
/// Only for signed weights with zero point 0, as ONNX Runtime 1.32. Says whether any was raised.
bool adjust_weight_for_bias(TensorPlan& weight, float input_scale, const Tensor& bias,
                            HalfRounding rounding = HalfRounding::kUp);

/// The same under profile best, for weights of any integer type: int32 must hold the bias and the
/// sum of products besides, which integer kernels add to it.
bool make_room_for_bias(TensorPlan& weight, float input_scale, const Tensor& weight_values,
                        const Tensor& bias);

/// input_scale * weight scale * beta in the arithmetic of `scale_dtype`, one per weight scale.
std::vector<float> bias_scales(float input_scale, const TensorPlan& weight, float beta,
                               DType scale_dtype);

/// Whether some float16 scale of `scales` is too small for its bias: 0, or the bias needs more than
/// 32 bits. scales: one, or one per bias.
bool half_scales_vanish(const std::vector<float>& scales, const Tensor& bias);
/// The float32 scales to use then: as above, but large enough for each bias (zeroed: all are 0).
std::vector<float> wide_bias_scales(float input_scale, const TensorPlan& weight, float beta,
                                    const Tensor& bias, bool zeroed);

/// The initializer of `plan`'s integers.
Tensor quantized_tensor(const Tensor& values, const TensorPlan& plan);
/// Scales as [] (per tensor) or [C] of plan.scale_dtype; zero points likewise of plan.dtype.
Tensor scale_tensor(const TensorPlan& plan);
Tensor zero_point_tensor(const TensorPlan& plan);
/// `values` as float32 or float16.
Tensor float_tensor(std::vector<std::int64_t> dims, const std::vector<float>& values, DType dtype);

}  // namespace planish::quantize_detail
