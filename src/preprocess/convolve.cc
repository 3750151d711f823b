#include "preprocess/convolve.h"

#include <algorithm>
#include <array>

#include "preprocess/convolve_avx2.h"

namespace planish::detail {
namespace {

constexpr std::int32_t kHalf = 1 << (kTapBits - 1);

std::uint8_t to_pixel(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kTapBits, 0, 255));
}

template <std::size_t kChannels>
void convolve_row(const FilterTaps& taps, const std::uint8_t* input, std::uint8_t* output) {
  for (std::size_t i = 0; i < taps.spans.size(); ++i) {
    const std::uint8_t* pixel = input + taps.spans[i].first * std::int64_t{kChannels};
    std::array<std::int32_t, kChannels> sums;
    sums.fill(kHalf);
    for (const std::int32_t tap : taps.of(i)) {
      for (std::int32_t& sum : sums) sum += *pixel++ * tap;
    }
    output = std::transform(sums.begin(), sums.end(), output, to_pixel);
  }
}

}  // namespace

void convolve_rows(const FilterTaps& taps, std::int64_t channels, std::size_t count,
                   Rows<const std::uint8_t> input, Rows<std::uint8_t> output) {
  std::size_t row = 0;
  if (channels == 3 && has_avx2()) {
    // It reads one byte behind the last pixel: not to be done in the last row.
    for (; row + kRowsAtOnce < count; row += kRowsAtOnce) {
      convolve_rgb_rows_avx2(taps, {input[row], input.stride}, {output[row], output.stride});
    }
  }
  const auto convolve = channels == 3 ? convolve_row<3> : convolve_row<1>;
  for (; row < count; ++row) convolve(taps, input[row], output[row]);
}

void weighted_sum_of_rows(Rows<const std::uint8_t> rows, std::span<const std::int32_t> taps,
                          std::span<std::uint8_t> out) {
  std::size_t i = has_avx2() ? weighted_sum_of_rows_avx2(rows, taps, out) : 0;
  for (; i < out.size(); ++i) {
    std::int32_t sum = kHalf;
    for (std::size_t j = 0; j < taps.size(); ++j) sum += rows[j][i] * taps[j];
    out[i] = to_pixel(sum);
  }
}

}  // namespace planish::detail
