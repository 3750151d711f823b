// The inner loops of resampling for CPUs with AVX2. Integer arithmetic: the same bits as without.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "preprocess/convolve.h"

namespace planish::detail {

/// Whether this CPU has AVX2; if not, the functions below must not be called.
bool has_avx2();

inline constexpr std::size_t kRowsAtOnce = 4;

/// convolve_rows for kRowsAtOnce rows of 3 channels. Reads one byte behind the last pixel of each.
void convolve_rgb_rows_avx2(const FilterTaps& taps, Rows<const std::uint8_t> input,
                            Rows<std::uint8_t> output);

/// weighted_sum_of_rows for the first elements of `out`; says how many.
std::size_t weighted_sum_of_rows_avx2(Rows<const std::uint8_t> rows,
                                      std::span<const std::int32_t> taps,
                                      std::span<std::uint8_t> out);

}  // namespace planish::detail
