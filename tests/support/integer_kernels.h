// The arithmetic of ONNX Runtime's U8S8 kernels in portable C++, bit for bit.
#pragma once

#include <cstdint>
#include <span>

namespace planish::test {

/// How a kernel sums the products of u8 activations and s8 weights.
enum class Accumulation {
  kExact,  // in 32 bits: VNNI, AMX, Arm, and every depthwise kernel
  kPairs,  // neighbours in 16 bits that saturate, then in 32: VPMADDUBSW (AVX2, AVX-512 without
           // VNNI)
};

/// What the matrix kernels of this machine do, as /proc/cpuinfo has it.
Accumulation accumulation_here();

/// sum of a[k] * w[k], neighbours being (0, 1), (2, 3), …
std::int32_t dot(std::span<const std::uint8_t> a, std::span<const std::int8_t> w,
                 Accumulation accumulation);

/// The same of (a[k] - zero_point) * w[k]; as the kernels do it, the zero point is taken out of the
/// sum: it does not keep products from saturating.
std::int32_t dot(std::span<const std::uint8_t> a, std::int32_t zero_point,
                 std::span<const std::int8_t> w, Accumulation accumulation);

/// clamp(rint(sum * scale) + zero_point, 0, 255) in float32.
std::uint8_t requantize(std::int32_t sum, float scale, std::int32_t zero_point);

}  // namespace planish::test
