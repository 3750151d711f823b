// Quantization to 8 bits in vectors of AVX2, where the machine has it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace planish::quantize_detail {

/// q = clamp(rint(x / scale) + zero_point) of the first elements, in whole vectors. Returns how
/// many were done, 0 where there is no AVX2; the others are the caller's. Equal to quantize_one()
/// for all that is not NaN.
std::size_t quantize_run_avx2(const float* values, std::size_t count, float scale, float zero_point,
                              std::int8_t* out);
std::size_t quantize_run_avx2(const float* values, std::size_t count, float scale, float zero_point,
                              std::uint8_t* out);
/// The same with a scale and a zero point for each element.
std::size_t quantize_row_avx2(const float* values, std::size_t count, const float* scales,
                              const float* zero_points, std::int8_t* out);
std::size_t quantize_row_avx2(const float* values, std::size_t count, const float* scales,
                              const float* zero_points, std::uint8_t* out);

}  // namespace planish::quantize_detail
