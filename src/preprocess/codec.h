// The two decoders behind decode_image, and conversions between pixel types as Pillow does them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "planish/preprocess/preprocess.h"

namespace planish::detail {

/// Gray sources give 1 channel, all others 3. @throws Error as decode_image.
Image decode(std::span<const std::byte> bytes, const ImageLimits& limits);
Image decode_jpeg(std::span<const std::byte> bytes, const ImageLimits& limits);
Image decode_png(std::span<const std::byte> bytes, const ImageLimits& limits);

/// @throws Error(kCorrupt) when a side is < 1, Error(kExhausted) beyond `limits`.
void check_size(std::int64_t width, std::int64_t height, const ImageLimits& limits);

/// @throws Error(kInvalidArgument) when `image` is not what Image's comment says.
void check_image(const Image& image);

/// An image of `channels` with pixels of 0; its size has been checked.
Image blank_image(std::int64_t height, std::int64_t width, std::int64_t channels);

/// L = (19595 R + 38470 G + 7471 B + 2^15) >> 16: ITU-R 601-2 luma, as Pillow's convert("L").
Image to_gray(Image image);
/// R = G = B = L.
Image to_rgb(Image image);

}  // namespace planish::detail
