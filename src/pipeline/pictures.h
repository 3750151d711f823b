// Samples as a person sees them, for reports.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "planish/dataset/dataset.h"

namespace planish::pipeline {

/// A report shows samples at this size and holds them in itself: about 80 kB each.
inline constexpr std::int64_t kPictureSide = 144;

/// Sample i of `data`, at most `side` pixels a side: as its file shows it where it is an image,
/// else its input where that is of the shape of one ([1, C, H, W] or [1, H, W, C], C 1 or 3), from
/// its least to its greatest element. Nothing for anything else, and for what cannot be read.
std::optional<Image> picture_of(const Dataset& data, std::size_t i,
                                std::int64_t side = kPictureSide);

/// The same of a tensor.
std::optional<Image> picture_of(const Tensor& tensor);

}  // namespace planish::pipeline
