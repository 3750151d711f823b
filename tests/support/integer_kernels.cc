#include "support/integer_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "planish/host/host.h"

namespace planish::test {

Accumulation accumulation_here() {
  static const Accumulation kHere = [] {
    const HostReport host = describe_host();
    const bool has_avx2 = std::ranges::find(host.isa, "avx2") != host.isa.end();
    return has_avx2 && !host.has_int8_dot_product() ? Accumulation::kPairs : Accumulation::kExact;
  }();
  return kHere;
}

std::int32_t dot(std::span<const std::uint8_t> a, std::span<const std::int8_t> w,
                 Accumulation accumulation) {
  using Word = std::numeric_limits<std::int16_t>;
  std::int32_t sum = 0;
  for (std::size_t k = 0; k < w.size(); k += 2) {
    std::int32_t pair = std::int32_t{a[k]} * w[k];
    if (k + 1 < w.size()) pair += std::int32_t{a[k + 1]} * w[k + 1];
    if (accumulation == Accumulation::kPairs) {
      pair = std::clamp<std::int32_t>(pair, Word::min(), Word::max());
    }
    sum += pair;
  }
  return sum;
}

std::int32_t dot(std::span<const std::uint8_t> a, std::int32_t zero_point,
                 std::span<const std::int8_t> w, Accumulation accumulation) {
  std::int32_t weights = 0;
  for (const std::int8_t value : w) weights += value;
  return dot(a, w, accumulation) - zero_point * weights;
}

std::uint8_t requantize(std::int32_t sum, float scale, std::int32_t zero_point) {
  const auto zero = static_cast<float>(zero_point);
  const float value = std::clamp(static_cast<float>(sum) * scale, 0.0F - zero, 255.0F - zero);
  return static_cast<std::uint8_t>(static_cast<std::int32_t>(std::nearbyint(value)) + zero_point);
}

}  // namespace planish::test
