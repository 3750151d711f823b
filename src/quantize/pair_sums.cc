#include "quantize/pair_sums.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace planish::quantize_detail {
namespace {

/// The largest |w[2j] + w[2j+1]| that fits.
std::int32_t allowed(const WeightPair& pair, std::int32_t largest) {
  const IntegerLimits limits = pair_limits(largest);
  return pair.negative ? -limits.min : limits.max;
}

float magnitude(float value, float scale, bool negative) {
  const float highest = negative ? 128.0F : 127.0F;
  return std::min(std::nearbyint(value / scale), highest);
}

bool fits(const WeightPair& pair, float scale, std::int32_t largest) {
  return magnitude(pair.first, scale, pair.negative) +
             magnitude(pair.second, scale, pair.negative) <=
         static_cast<float>(allowed(pair, largest));
}

/// The least float at which `pair` fits, above `scale`, where it does not. Positive floats are
/// ordered as their bits are, and magnitudes never grow with the scale.
float least_fitting(const WeightPair& pair, float scale, std::int32_t largest) {
  auto low = std::bit_cast<std::uint32_t>(scale);
  std::uint32_t high = low;
  for (float wide = scale; !fits(pair, wide, largest); high = std::bit_cast<std::uint32_t>(wide)) {
    wide *= 2.0F;
  }
  while (high - low > 1) {
    const std::uint32_t middle = low + (high - low) / 2;
    (fits(pair, std::bit_cast<float>(middle), largest) ? high : low) = middle;
  }
  return std::bit_cast<float>(high);
}

float half_at_least(float scale) {
  std::uint16_t bits = half_from_float(scale);
  if (float_from_half(bits) < scale) ++bits;
  return float_from_half(bits);
}

}  // namespace

std::vector<WeightPair> overflowing_pairs(std::span<const float> weights, const SumLayout& layout,
                                          std::size_t sum, float scale, std::int32_t largest) {
  std::vector<WeightPair> pairs;
  if (largest <= 0) return pairs;
  // Rounding adds half a step to each: below this sum there is nothing to divide and round.
  const float surely_fits = scale * (static_cast<float>(pair_limits(largest).max) - 1.5F);
  for (std::size_t k = 0; k + 1 < layout.length; k += 2) {
    const float first = weights[layout.offset(sum, k)];
    const float second = weights[layout.offset(sum, k + 1)];
    if (std::signbit(first) != std::signbit(second)) continue;
    const WeightPair pair{std::abs(first), std::abs(second), std::signbit(first)};
    if (pair.first + pair.second <= surely_fits) continue;
    if (!fits(pair, scale, largest)) pairs.push_back(pair);
  }
  return pairs;
}

float scale_without_overflow(std::span<const WeightPair> pairs, float scale, std::int32_t largest,
                             DType scale_dtype) {
  for (const WeightPair& pair : pairs) {
    if (!fits(pair, scale, largest)) scale = least_fitting(pair, scale, largest);
  }
  return scale_dtype == DType::kFloat16 ? half_at_least(scale) : scale;
}

}  // namespace planish::quantize_detail
