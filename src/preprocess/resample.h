// Resampling of a part of an image: only what a crop keeps is computed.
#pragma once

#include <cstdint>

#include "planish/preprocess/preprocess.h"

namespace planish::detail {

/// Pixels [begin, begin + size) of an axis.
struct Interval {
  std::int64_t begin = 0;
  std::int64_t size = 0;
  friend bool operator==(const Interval&, const Interval&) = default;
};

struct Window {
  Interval rows = {};
  Interval columns = {};
};

/// resize(image, height, width, filter) cut to `window`, which lies inside it.
///
/// As in Pillow 13: width first, then height (the other way round where the height shrinks by more
/// than twice as many pixels as the width), each pass rounded to 8 bits; taps are integers of 22
/// fractional bits; a filter grows with the reduction (antialias).
/// @throws Error(kExhausted) when it would take more memory than the largest image allowed.
Image resize_window(const Image& image, std::int64_t height, std::int64_t width,
                    ResizeFilter filter, const Window& window);

}  // namespace planish::detail
