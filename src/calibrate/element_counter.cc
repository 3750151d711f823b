#include "calibrate/element_counter.h"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace planish {
namespace {

constexpr int kMantissaBits = 23;
constexpr std::int32_t kMagnitudeBits = 0x7FFFFFFF;
constexpr std::int32_t kNothing = 0x7FFFFFFF;  // a magnitude above all others

// Counters, in this order: of coarse bins, by the leading 17 bits of the float; of the fine bins of
// the negative, then of the positive side; of zeros.
constexpr int kCoarseShift = kMantissaBits - kCoarseBits;
constexpr int kFineShift = kMantissaBits - kFineBits;
constexpr std::int32_t kCoarseCounters = 1 << (32 - kCoarseShift);
constexpr std::int32_t kFineCounters = kFineOctaves << kFineBits;  // of one side
constexpr std::int32_t kFirstFine = kCoarseCounters;
constexpr std::int32_t kFirstZero = kFirstFine + 2 * kFineCounters;
// Zeros come in long runs, and a counter that is incremented twice in a row makes the second wait
// for the first: neighbours count into different ones.
constexpr std::int32_t kZeroCounters = 8;
constexpr std::int32_t kCounters = kFirstZero + kZeroCounters;

// Which magnitudes are fine, and where their counters are.
struct Layout {
  std::int32_t first_fine = 0;  // as bits of a float
  std::int32_t fine_offset = 0;

  explicit Layout(int top) {
    const int lowest_fine = top - kFineOctaves + 1;
    first_fine = lowest_fine << kMantissaBits;
    fine_offset = kFirstFine - (lowest_fine << kFineBits);
  }

  [[gnu::always_inline]] std::int32_t index(std::int32_t bits, std::int32_t zero) const {
    const std::int32_t magnitude = bits & kMagnitudeBits;
    if (magnitude == 0) return zero;
    if (magnitude < first_fine)
      return static_cast<std::int32_t>(static_cast<std::uint32_t>(bits) >> kCoarseShift);
    return (magnitude >> kFineShift) + fine_offset + (bits < 0 ? 0 : kFineCounters);
  }
};

// The same for Lanes elements at a time, in vectors of the compiler: the same source for every
// instruction set.
template <int Lanes>
struct LaneLayout {
  using Ints [[gnu::vector_size(Lanes * sizeof(float))]] = std::int32_t;
  using Unsigned [[gnu::vector_size(Lanes * sizeof(float))]] = std::uint32_t;

  Ints first_fine;
  Ints fine_offset;
  Ints zeros;
  Ints least = Ints{} + kNothing;

  [[gnu::always_inline]] explicit LaneLayout(const Layout& layout)
      : first_fine(Ints{} + layout.first_fine), fine_offset(Ints{} + layout.fine_offset) {
    std::int32_t counters[Lanes];
    for (int i = 0; i < Lanes; ++i) counters[i] = kFirstZero + i;
    std::memcpy(&zeros, counters, sizeof(zeros));
  }

  // A comparison is -1 where it holds and 0 elsewhere.
  [[gnu::always_inline]] void index(const float* elements, std::int32_t* indices) {
    Ints bits;
    std::memcpy(&bits, elements, sizeof(bits));
    const Ints magnitude = bits & kMagnitudeBits;
    const Ints is_zero = magnitude == 0;
    const Unsigned coarse = reinterpret_cast<Unsigned>(bits) >> kCoarseShift;
    const Ints fine = (magnitude >> kFineShift) + fine_offset + (~(bits >> 31) & kFineCounters);
    const Ints of_number = magnitude < first_fine ? reinterpret_cast<Ints>(coarse) : fine;
    const Ints result = is_zero ? zeros : of_number;
    std::memcpy(indices, &result, sizeof(result));
    const Ints seen = is_zero ? Ints{} + kNothing : magnitude;
    least = seen < least ? seen : least;
  }
};

// Returns the bits of the least magnitude above 0.
template <int Lanes>
[[gnu::always_inline]] inline std::int32_t count_lanes(std::span<const float> elements,
                                                       const Layout& layout,
                                                       std::uint32_t* counters) {
  LaneLayout<Lanes> lanes(layout);
  std::int32_t least = kNothing;
  constexpr std::size_t kBlock = 512;  // elements, and indices, stay in the first-level cache
  alignas(64) std::int32_t indices[kBlock];
  while (!elements.empty()) {
    const std::size_t size = std::min(kBlock, elements.size());
    std::size_t i = 0;
    for (; i + Lanes <= size; i += Lanes) lanes.index(elements.data() + i, indices + i);
    for (; i < size; ++i) {
      const auto bits = std::bit_cast<std::int32_t>(elements[i]);
      indices[i] = layout.index(bits, kFirstZero);
      const std::int32_t magnitude = bits & kMagnitudeBits;
      if (magnitude != 0) least = std::min(least, magnitude);
    }
#pragma GCC unroll 8
    for (std::size_t j = 0; j < size; ++j) ++counters[indices[j]];
    elements = elements.subspan(size);
  }
  for (int i = 0; i < Lanes; ++i) least = std::min(least, lanes.least[i]);
  return least;
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] std::int32_t count_avx2(std::span<const float> elements,
                                                const Layout& layout, std::uint32_t* counters) {
  return count_lanes<8>(elements, layout, counters);
}
#endif

std::int32_t count_best(std::span<const float> elements, const Layout& layout,
                        std::uint32_t* counters) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return count_avx2(elements, layout, counters);
#endif
  return count_lanes<4>(elements, layout, counters);
}

}  // namespace

int octave_of(float value) {
  return (std::bit_cast<std::int32_t>(value) & kMagnitudeBits) >> kMantissaBits;
}

void ElementCounter::Free::operator()(std::uint32_t* memory) const { std::free(memory); }

// calloc: of the half megabyte only the pages of octaves that occur are ever touched.
ElementCounter::ElementCounter()
    : counters_(static_cast<std::uint32_t*>(std::calloc(kCounters, sizeof(std::uint32_t)))) {
  if (!counters_) throw std::bad_alloc();
}

void ElementCounter::count(std::span<const float> elements, TensorRange range) {
  const float greatest = std::max(std::abs(range.min), std::abs(range.max));
  top_ = std::max(octave_of(greatest), kFineOctaves - 1);
  negative_ = range.min < 0.0F;
  const std::int32_t least = count_best(elements, Layout(top_), counters_.get());
  lowest_ = least == kNothing ? top_ + 1 : least >> kMantissaBits;
}

std::span<std::uint32_t> ElementCounter::bins_of(Side side, int octave) const {
  const bool negative = side == Side::kNegative;
  const int lowest_fine = top_ - kFineOctaves + 1;
  if (octave < lowest_fine) {
    const int sign_and_octave = (negative ? 1 << 8 : 0) + octave;
    return {counters_.get() + (sign_and_octave << kCoarseBits), std::size_t{1} << kCoarseBits};
  }
  const int fine = kFirstFine + (negative ? 0 : kFineCounters);
  return {counters_.get() + fine + ((octave - lowest_fine) << kFineBits),
          std::size_t{1} << kFineBits};
}

std::uint64_t ElementCounter::drain_zeros() {
  const std::span<std::uint32_t> zeros(counters_.get() + kFirstZero, kZeroCounters);
  std::uint64_t sum = 0;
  for (std::uint32_t& count : zeros) sum += std::exchange(count, 0U);
  return sum;
}

}  // namespace planish
