#include "planish/preprocess/preprocess.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "planish/base/checked.h"
#include "planish/base/error.h"
#include "preprocess/codec.h"
#include "preprocess/geometry.h"
#include "preprocess/resample.h"

namespace planish {
namespace {

using detail::Geometry;

/// The element that pixel value p of a channel becomes: table[p].
template <typename T>
using PixelTable = std::array<T, 256>;

template <typename T>
T to_element(double value);
template <>
float to_element(double value) {
  return static_cast<float>(value);
}
template <>
std::uint16_t to_element(double value) {
  return half_from_float(static_cast<float>(value));
}
template <>
std::uint8_t to_element(double value) {
  return static_cast<std::uint8_t>(value);
}

template <typename T>
PixelTable<T> table_of(const PreprocessSpec& spec, std::size_t channel) {
  const double mean = spec.mean.empty() ? 0.0 : spec.mean[channel];
  const double deviation = spec.std.empty() ? 1.0 : spec.std[channel];
  PixelTable<T> table;
  for (std::size_t pixel = 0; pixel < table.size(); ++pixel) {
    table[pixel] = to_element<T>((static_cast<double>(pixel) * spec.scale - mean) / deviation);
  }
  return table;
}

/// Distances between neighbours in the result, in elements.
struct Strides {
  std::int64_t row = 0;
  std::int64_t column = 0;
  std::int64_t channel = 0;
};

/// Fills channel `channel` of the result, which starts at `out`, from channel `source` of `kept`.
template <typename T>
void write_channel(const Image& kept, std::int64_t source, const Geometry& geometry,
                   const PixelTable<T>& table, const Strides& strides, T* out) {
  const auto fill = [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
    for (std::int64_t x = begin; x < end; ++x)
      out[row * strides.row + x * strides.column] = table[0];
  };
  const std::int64_t top = geometry.rows.offset;
  const std::int64_t left = geometry.columns.offset;
  const std::uint8_t* pixel = kept.pixels.data() + source;
  for (std::int64_t y = 0; y < geometry.rows.output; ++y) {
    if (y < top || y >= top + kept.height) {
      fill(y, 0, geometry.columns.output);
      continue;
    }
    fill(y, 0, left);
    T* element = out + y * strides.row + left * strides.column;
    for (std::int64_t x = 0; x < kept.width; ++x) {
      *element = table[*pixel];
      element += strides.column;
      pixel += kept.channels;
    }
    fill(y, left + kept.width, geometry.columns.output);
  }
}

template <typename T>
Tensor to_tensor(const Image& kept, const Geometry& geometry, const PreprocessSpec& spec) {
  const std::int64_t channels = channels_of(spec);
  const std::int64_t height = geometry.rows.output;
  const std::int64_t width = geometry.columns.output;
  const bool nchw = spec.layout == PreprocessSpec::Layout::kNchw;
  const Strides strides = nchw ? Strides{.row = width, .column = 1, .channel = height * width}
                               : Strides{.row = width * channels, .column = channels, .channel = 1};
  std::vector<std::int64_t> dims{1, height, width};
  dims.insert(nchw ? dims.begin() + 1 : dims.end(), channels);
  const std::size_t bytes = checked_mul(checked_element_count(dims), sizeof(T));
  const std::shared_ptr<T[]> elements(new T[bytes / sizeof(T)]);  // not zeroed: all are written
  for (std::int64_t c = 0; c < channels; ++c) {
    const std::int64_t rgb = spec.color == PreprocessSpec::Color::kBgr ? 2 - c : c;
    write_channel<T>(kept, kept.channels == 1 ? 0 : rgb, geometry,
                     table_of<T>(spec, static_cast<std::size_t>(c)), strides,
                     elements.get() + c * strides.channel);
  }
  return Tensor(spec.dtype, std::move(dims),
                {reinterpret_cast<const std::byte*>(elements.get()), bytes}, elements);
}

Tensor preprocess_valid(const Image& image, const PreprocessSpec& spec) {
  const Geometry geometry = detail::geometry_of(image.height, image.width, spec);
  const auto filter = spec.resize ? spec.resize->filter : ResizeFilter::kNearest;
  const Image kept =
      detail::resize_window(image, geometry.rows.resized, geometry.columns.resized, filter,
                            {.rows = geometry.rows.kept, .columns = geometry.columns.kept});
  switch (spec.dtype) {
    case DType::kUInt8:
      return to_tensor<std::uint8_t>(kept, geometry, spec);
    case DType::kFloat16:
      return to_tensor<std::uint16_t>(kept, geometry, spec);
    default:
      return to_tensor<float>(kept, geometry, spec);
  }
}

bool needs_gray(const Image& image, const PreprocessSpec& spec) {
  return spec.color == PreprocessSpec::Color::kGray && image.channels == 3;
}

}  // namespace

namespace detail {

void check_image(const Image& image) {
  const bool has_sides =
      image.height >= 1 && image.width >= 1 && (image.channels == 1 || image.channels == 3);
  const std::array dims{image.height, image.width, image.channels};
  if (has_sides && checked_element_count(dims) == image.pixels.size()) return;
  throw Error(ErrorCode::kInvalidArgument,
              "image of shape " + to_string(dims) + " with " + std::to_string(image.pixels.size()) +
                  " bytes of pixels; expected [height, width, 1 or 3] and as many");
}

}  // namespace detail

std::int64_t channels_of(const PreprocessSpec& spec) {
  return spec.color == PreprocessSpec::Color::kGray ? 1 : 3;
}

std::array<std::optional<std::int64_t>, 4> output_dims(const PreprocessSpec& spec) {
  std::optional<std::int64_t> height;
  std::optional<std::int64_t> width;
  if (spec.crop) {
    height = (*spec.crop)[0];
    width = (*spec.crop)[1];
  } else if (spec.resize) {
    height = spec.resize->height;
    width = spec.resize->width;
  }
  if (spec.layout == PreprocessSpec::Layout::kNchw) return {1, channels_of(spec), height, width};
  return {1, height, width, channels_of(spec)};
}

Tensor preprocess(const Image& image, const PreprocessSpec& spec) {
  validate(spec);
  detail::check_image(image);
  return needs_gray(image, spec) ? preprocess_valid(detail::to_gray(image), spec)
                                 : preprocess_valid(image, spec);
}

Tensor preprocess_encoded(std::span<const std::byte> bytes, const PreprocessSpec& spec,
                          const ImageLimits& limits) {
  validate(spec);
  Image image = detail::decode(bytes, limits);
  if (needs_gray(image, spec)) image = detail::to_gray(std::move(image));
  return preprocess_valid(image, spec);
}

}  // namespace planish
