// The affine map between real and integer values, bit for bit as ONNX Runtime 1.32 computes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "planish/graph/dtype.h"
#include "planish/graph/tensor.h"
#include "planish/quantize/calibration_table.h"

namespace planish {

/// real = scale * (quantized - zero_point).
/// scale is finite and > 0; zero_point lies in the range of `dtype`, so real 0 is exact.
struct QuantizationParams {
  float scale = 1.0F;
  std::int32_t zero_point = 0;
  DType dtype = DType::kUInt8;
  friend bool operator==(const QuantizationParams&, const QuantizationParams&) = default;
};

enum class Symmetry {
  kAsymmetric,  // the range as it is, widened to hold 0: finer steps for one-sided values
  kSymmetric,   // [-absmax, absmax]: the zero point is the middle of the integers (0 for signed)
};

enum class IntegerRange {
  kFull,     // all integers of the type (symmetric signed ones without the lowest: -127..127)
  kReduced,  // half of them (U8 0..127, S8 -64..64): sums of two products fit 16 bits (AVX2)
};

/// How params_for() chooses.
struct ParamsOptions {
  Symmetry symmetry = Symmetry::kAsymmetric;
  IntegerRange integers = IntegerRange::kFull;
  /// max is raised to min + this; for accelerators that refuse tiny ranges.
  std::optional<double> min_real_range = {};
  /// U8, asymmetric only: the zero point is 0 (min >= 0) or 128, the scale covers both sides.
  bool restrict_zero_point = false;
  /// Type in which the scale will be stored: float32 or float16 (then it is rounded to it).
  DType scale_dtype = DType::kFloat32;
};

/// The integers [min, max] that `dtype` offers. @throws Error(kUnsupported) but for 8 and 16 bits.
struct IntegerLimits {
  std::int32_t min = 0;
  std::int32_t max = 0;
  friend bool operator==(const IntegerLimits&, const IntegerLimits&) = default;
};
IntegerLimits integer_limits(DType dtype, Symmetry symmetry = Symmetry::kAsymmetric,
                             IntegerRange integers = IntegerRange::kFull);

/// With [lo, hi] = `range` widened to hold 0 and [qmin, qmax] = integer_limits, in float64:
///   scale      = (hi - lo) / (qmax - qmin)
///   zero_point = rint(qmin - lo / scale), or rint((qmin + qmax) / 2) when symmetric
/// then scale is rounded to `scale_dtype`. A scale below the smallest normal number gives {1, 0}.
/// rint rounds half to even. Source: compute_scale_zp of the onnxruntime 1.32 Python package.
/// @throws Error(kInvalidArgument) when `range` is not finite or min > max.
QuantizationParams params_for(TensorRange range, DType dtype, const ParamsOptions& options = {});

/// q = clamp(rint(x / scale) + zero_point, lowest and highest integer of the type), in float32.
std::vector<std::uint8_t> quantize_u8(std::span<const float> values,
                                      const QuantizationParams& params);
std::vector<std::int8_t> quantize_s8(std::span<const float> values,
                                     const QuantizationParams& params);

/// The same to a tensor of params.dtype and of `values`' dimensions.
/// @throws Error(kUnsupported) when `values` are not floats or params.dtype has not 8 or 16 bits.
Tensor quantize(const Tensor& values, const QuantizationParams& params);

/// One parameter set per index of `axis` of `values`; params.size() is that dimension.
/// values: [outer..., C, inner...], C = dims[axis]; all params of one type.
Tensor quantize_per_channel(const Tensor& values, std::span<const QuantizationParams> params,
                            std::size_t axis);

/// scale * (q - zero_point) as float32. @throws Error(kInvalidArgument) on another element type.
std::vector<float> dequantize(const Tensor& quantized, const QuantizationParams& params);

/// Smallest and largest element. @throws Error(kInvalidArgument) on NaN or infinity, and when there
/// is none.
TensorRange range_of(std::span<const float> values);
/// The same for each index of `axis`.
std::vector<TensorRange> ranges_per_channel(const Tensor& values, std::size_t axis);

/// q = clamp(rint(b / scale), INT32 limits) in float64; b is 0 everywhere when `scale` is 0.
/// scales: one, or one per element of `bias` (any dims). Result: int32, dims of `bias`.
Tensor quantize_bias(const Tensor& bias, std::span<const float> scales);

/// The smallest scale at which a bias of magnitude `absmax` fits 32 bits, with a margin of 1e-4:
/// 1.0001 * 2 * absmax / (2^32 - 2). In float64; the float32 form rounds the product to float32
/// first (or to float16, the bias's type), as ONNX Runtime 1.32 does for biases with one scale per
/// channel.
double smallest_bias_scale(double absmax);
double smallest_bias_scale(float absmax, DType bias_dtype = DType::kFloat32);
/// The same with room beside the bias for the sum of `products` products of 8-bit integers.
double smallest_bias_scale(float absmax, std::size_t products);

enum class HalfRounding {
  kUp,       // what is stored as float16 is not less than what is needed
  kNearest,  // as in the QOperator format of ONNX Runtime 1.32
};

/// `weight_scale`, raised so that input_scale * weight_scale is `smallest` when it is less (and not
/// 0).
float weight_scale_for_bias(float input_scale, float weight_scale, double smallest,
                            DType scale_dtype = DType::kFloat32,
                            HalfRounding rounding = HalfRounding::kUp);

}  // namespace planish
