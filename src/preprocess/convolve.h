// The two inner loops of resampling.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "preprocess/filter_taps.h"

namespace planish::detail {

/// Rows of 8-bit pixels, `stride` bytes apart.
template <typename Byte>
struct Rows {
  Byte* data = nullptr;
  std::size_t stride = 0;

  [[nodiscard]] Byte* operator[](std::size_t row) const { return data + row * stride; }
};

/// Resamples the width of `count` rows.
/// input: [count, taps.inputs.size, channels]; output: [count, outputs of the taps, channels].
void convolve_rows(const FilterTaps& taps, std::int64_t channels, std::size_t count,
                   Rows<const std::uint8_t> input, Rows<std::uint8_t> output);

/// out[i] = round(sum over j of taps[j] * rows[j][i]).
void weighted_sum_of_rows(Rows<const std::uint8_t> rows, std::span<const std::int32_t> taps,
                          std::span<std::uint8_t> out);

}  // namespace planish::detail
