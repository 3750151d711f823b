// How much each input pixel of an axis adds to each output pixel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "preprocess/resample.h"

namespace planish::detail {

/// Fractional bits of a tap: 32 of the sum, less 8 of the pixel, less 2 for overshoot.
inline constexpr int kTapBits = 32 - 8 - 2;

/// output[i] = sum over j of of(i)[j] * input[inputs.begin + spans[i].first + j], in units of
/// 2^-kTapBits.
struct FilterTaps {
  struct Span {
    std::int64_t first = 0;  // counted from inputs.begin
    std::int64_t count = 0;
  };
  Interval inputs = {};                 // the input pixels that any output pixel needs
  std::vector<Span> spans = {};         // one per output pixel
  std::vector<std::int32_t> taps = {};  // [outputs, stride]
  std::size_t stride = 0;

  [[nodiscard]] std::span<const std::int32_t> of(std::size_t output) const {
    return {taps.data() + output * stride, static_cast<std::size_t>(spans[output].count)};
  }
};

/// Taps for the pixels `outputs` of an axis that is resized from `input_size` to `output_size`.
/// `filter` is not kNearest. @throws Error(kExhausted) when they are too many.
FilterTaps filter_taps(std::int64_t input_size, std::int64_t output_size, const Interval& outputs,
                       ResizeFilter filter);

/// The input pixel that each of the pixels `outputs` takes with ResizeFilter::kNearest.
std::vector<std::int64_t> nearest_inputs(std::int64_t input_size, std::int64_t output_size,
                                         const Interval& outputs);

}  // namespace planish::detail
