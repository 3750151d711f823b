#include "calibrate/scan.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace planish {
namespace {

constexpr std::int32_t kMagnitudeBits = 0x7FFFFFFF;
constexpr std::int32_t kInfinityBits = 0x7F800000;  // NaN is above, every finite number below
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Lanes elements at a time, in vectors of the compiler: the same source for every instruction set.
// Comparisons with NaN are false, so NaN never becomes min or max; the greatest magnitude, compared
// as an integer, shows it.
template <int Lanes>
struct Accumulator {
  using Floats [[gnu::vector_size(Lanes * sizeof(float))]] = float;
  using Ints [[gnu::vector_size(Lanes * sizeof(float))]] = std::int32_t;

  Floats min = Floats{} + kInfinity;
  Floats max = Floats{} - kInfinity;
  Ints magnitude = {};

  [[gnu::always_inline]] void take(const float* elements) {
    Floats values;
    std::memcpy(&values, elements, sizeof(values));
    Ints bits;
    std::memcpy(&bits, elements, sizeof(bits));
    bits &= kMagnitudeBits;
    min = values < min ? values : min;
    max = values > max ? values : max;
    magnitude = bits > magnitude ? bits : magnitude;
  }
};

struct Result {
  float min = kInfinity;
  float max = -kInfinity;
  std::int32_t magnitude = 0;

  [[gnu::always_inline]] void take(float element) {
    min = std::min(min, element);
    max = std::max(max, element);
    magnitude = std::max(magnitude, std::bit_cast<std::int32_t>(element) & kMagnitudeBits);
  }
  template <int Lanes>
  [[gnu::always_inline]] void take(const Accumulator<Lanes>& lanes) {
    for (int i = 0; i < Lanes; ++i) {
      min = std::min(min, lanes.min[i]);
      max = std::max(max, lanes.max[i]);
      magnitude = std::max(magnitude, lanes.magnitude[i]);
    }
  }
};

template <int Lanes>
[[gnu::always_inline]] inline Result scan_lanes(std::span<const float> elements) {
  // Two accumulators: a comparison's latency is several cycles.
  Accumulator<Lanes> even;
  Accumulator<Lanes> odd;
  constexpr std::size_t kStep = 2 * Lanes;
  std::size_t i = 0;
  for (; i + kStep <= elements.size(); i += kStep) {
    even.take(elements.data() + i);
    odd.take(elements.data() + i + Lanes);
  }
  Result result;
  result.take(even);
  result.take(odd);
  for (; i < elements.size(); ++i) result.take(elements[i]);
  return result;
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] Result scan_avx2(std::span<const float> elements) {
  return scan_lanes<8>(elements);
}
#endif

Result scan_best(std::span<const float> elements) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return scan_avx2(elements);
#endif
  return scan_lanes<4>(elements);
}

}  // namespace

ElementScan scan_elements(std::span<const float> elements) {
  const Result result = scan_best(elements);
  return {.min = result.min + 0.0F,  // -0 + 0 is 0
          .max = result.max + 0.0F,
          .all_finite = result.magnitude < kInfinityBits};
}

std::string describe_non_finite(std::span<const float> elements) {
  const auto count = [&](auto predicate) {
    return std::to_string(std::count_if(elements.begin(), elements.end(), predicate));
  };
  return count([](float value) { return std::isnan(value); }) + " NaN and " +
         count([](float value) { return std::isinf(value); }) + " infinite of " +
         std::to_string(elements.size()) + " elements";
}

}  // namespace planish
