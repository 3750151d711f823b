#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "planish/base/error.h"
#include "preprocess/codec.h"

namespace planish {
namespace {

bool starts_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin(),
                    [](char a, std::byte b) { return static_cast<std::byte>(a) == b; });
}

struct OtherFormat {
  std::string_view magic;
  std::string_view name;
};

/// Formats that people do have, to name them in the error.
constexpr std::array kOtherFormats{
    OtherFormat{"GIF8", "a GIF"},         OtherFormat{"BM", "a BMP"},
    OtherFormat{"RIFF", "a WebP"},        OtherFormat{"II*", "a TIFF"},
    OtherFormat{{"MM\0*", 4}, "a TIFF"},  OtherFormat{{"\0\0\0\x0cjP", 6}, "a JPEG 2000"},
    OtherFormat{"\xff\x0a", "a JPEG XL"},
};

std::string describe(std::span<const std::byte> bytes) {
  for (const OtherFormat& format : kOtherFormats) {
    if (starts_with(bytes, format.magic)) return std::string(format.name) + " image";
  }
  std::string text = "data that starts with";
  for (const std::byte byte : bytes.first(std::min<std::size_t>(bytes.size(), 4))) {
    std::array<char, 4> digits{};
    std::snprintf(digits.data(), digits.size(), " %02x", std::to_integer<unsigned>(byte));
    text += digits.data();
  }
  return text;
}

}  // namespace

namespace detail {

void check_size(std::int64_t width, std::int64_t height, const ImageLimits& limits) {
  const std::string size = std::to_string(width) + "x" + std::to_string(height);
  if (width < 1 || height < 1) throw Error(ErrorCode::kCorrupt, "image of " + size + " pixels");
  if (width > limits.max_pixels / height) {
    throw Error(ErrorCode::kExhausted, "image of " + size + " pixels; at most " +
                                           std::to_string(limits.max_pixels) + " are decoded");
  }
}

Image blank_image(std::int64_t height, std::int64_t width, std::int64_t channels) {
  Image image{.height = height, .width = width, .channels = channels};
  image.pixels.resize(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) *
                      static_cast<std::size_t>(channels));
  return image;
}

Image to_gray(Image image) {
  if (image.channels == 1) return image;
  Image gray = blank_image(image.height, image.width, 1);
  const std::uint8_t* rgb = image.pixels.data();
  for (std::uint8_t& luma : gray.pixels) {
    luma = static_cast<std::uint8_t>(
        (rgb[0] * 19595U + rgb[1] * 38470U + rgb[2] * 7471U + 0x8000U) >> 16U);
    rgb += 3;
  }
  return gray;
}

Image to_rgb(Image image) {
  if (image.channels == 3) return image;
  Image rgb = blank_image(image.height, image.width, 3);
  std::uint8_t* out = rgb.pixels.data();
  for (const std::uint8_t luma : image.pixels) {
    std::fill_n(out, 3, luma);
    out += 3;
  }
  return rgb;
}

Image decode(std::span<const std::byte> bytes, const ImageLimits& limits) {
  if (bytes.empty())
    throw Error(ErrorCode::kCorrupt, "an empty file; expected a JPEG or PNG image");
  const std::optional<ImageFormat> format = image_format_of(bytes);
  if (!format) {
    throw Error(ErrorCode::kUnsupported, describe(bytes) + "; expected a JPEG or PNG image");
  }
  return *format == ImageFormat::kJpeg ? decode_jpeg(bytes, limits) : decode_png(bytes, limits);
}

}  // namespace detail

std::optional<ImageFormat> image_format_of(std::span<const std::byte> bytes) {
  if (starts_with(bytes, "\xff\xd8\xff")) return ImageFormat::kJpeg;
  if (starts_with(bytes, "\x89PNG\r\n\x1a\n")) return ImageFormat::kPng;
  return std::nullopt;
}

Image decode_image(std::span<const std::byte> bytes, bool gray, const ImageLimits& limits) {
  Image image = detail::decode(bytes, limits);
  return gray ? detail::to_gray(std::move(image)) : detail::to_rgb(std::move(image));
}

}  // namespace planish
