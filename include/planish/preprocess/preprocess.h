// From an encoded image to the tensor that a model takes. One description of it, used unchanged by
// calibration, comparison, benchmarks and the server.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/graph/tensor.h"

namespace planish {

/// 8-bit pixels, interleaved: [height, width, channels], row-major. channels is 1 or 3 (RGB).
struct Image {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 3;
  std::vector<std::uint8_t> pixels = {};
  friend bool operator==(const Image&, const Image&) = default;
};

/// Bounds on images from outside.
struct ImageLimits {
  std::int64_t max_pixels = 100'000'000;  // checked against the header, before memory is taken
};

enum class ImageFormat { kJpeg, kPng };

/// The format that the first bytes say; nothing when it is neither.
std::optional<ImageFormat> image_format_of(std::span<const std::byte> bytes);

/// Decodes a JPEG or PNG (by content, not by name) to RGB, or to gray when `gray`.
///
/// CMYK/YCCK JPEG, palettes, 16 bits, interlace and alpha (composed as Pillow's convert("RGB")
/// does: alpha is dropped) are handled. EXIF orientation is ignored, as Pillow's Image.open ignores
/// it. Damage that other decoders paper over with a warning is an error here: see
/// docs/formats/preprocess.md for this and for the one difference to Pillow (16-bit gray).
/// @throws Error(kCorrupt) for truncated or damaged data, Error(kUnsupported) for other formats,
///   Error(kExhausted) for an image beyond `limits`.
Image decode_image(std::span<const std::byte> bytes, bool gray = false,
                   const ImageLimits& limits = {});

enum class ResizeFilter { kNearest, kBilinear, kBicubic, kLanczos };

/// Pillow's antialiased resize (Image.resize without `box`), bit for bit where the compiler does
/// not contract floating-point expressions, else to within one gray level.
/// @throws Error(kInvalidArgument) when a side is < 1 or `pixels` does not fit the sizes,
///   Error(kExhausted) when the result would exceed ImageLimits' default.
Image resize(const Image& image, std::int64_t height, std::int64_t width, ResizeFilter filter);

/// Steps in the order of the members. See docs/formats/preprocess.md.
struct PreprocessSpec {
  struct Resize {
    // Either the shorter side, aspect kept, rounded as torchvision does; or both sides.
    std::optional<std::int64_t> shorter = {};
    std::optional<std::int64_t> height = {};
    std::optional<std::int64_t> width = {};
    ResizeFilter filter = ResizeFilter::kBilinear;
    friend bool operator==(const Resize&, const Resize&) = default;
  };
  enum class Color { kRgb, kBgr, kGray };
  enum class Layout { kNchw, kNhwc };

  std::optional<Resize> resize = {};
  // [height, width] from the centre, rounded as torchvision does; padded with 0 if larger.
  std::optional<std::array<std::int64_t, 2>> crop = {};
  Color color = Color::kRgb;      // kGray: converted when decoded, before the resize
  double scale = 1.0;             // value = (pixel * scale - mean) / std
  std::vector<double> mean = {};  // one per channel, in the order of `color`, or none: 0
  std::vector<double> std = {};   // one per channel, in the order of `color`, or none: 1
  Layout layout = Layout::kNchw;
  DType dtype = DType::kFloat32;  // float32, uint8 (then scale 1, no mean, no std) or float16
  friend bool operator==(const PreprocessSpec&, const PreprocessSpec&) = default;
};

/// The SPEC of the command line: a preset ("imagenet", "tf", "none") or a file of JSON.
/// @throws Error kNotFound, kInvalidArgument (naming the member and what was expected), kCorrupt.
PreprocessSpec load_preprocess_spec(std::string_view preset_or_path);
PreprocessSpec parse_preprocess_spec(const Json& json);
Json to_json(const PreprocessSpec& spec);
/// Names of the presets, for help texts.
std::vector<std::string_view> preprocess_presets();

/// @throws Error(kInvalidArgument) naming the first member of `spec` that cannot be used.
void validate(const PreprocessSpec& spec);
/// 1 for gray, else 3.
std::int64_t channels_of(const PreprocessSpec& spec);
/// [1, C, H, W] or [1, H, W, C]; H and W are nothing when they depend on the image.
std::array<std::optional<std::int64_t>, 4> output_dims(const PreprocessSpec& spec);

/// [1, C, H, W] or [1, H, W, C].
/// @throws Error as validate() and resize().
Tensor preprocess(const Image& image, const PreprocessSpec& spec);

/// decode_image (to gray when `spec` says so), then preprocess: what one request costs end to end.
/// @throws Error as both.
Tensor preprocess_encoded(std::span<const std::byte> bytes, const PreprocessSpec& spec,
                          const ImageLimits& limits = {});

}  // namespace planish
