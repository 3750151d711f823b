#include "pipeline/pictures.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "planish/base/error.h"

namespace planish::pipeline {
namespace {

/// Smaller ones show nothing, larger ones are no image.
constexpr std::int64_t kLeastSide = 8;
constexpr std::int64_t kMostSide = 8192;

struct ImageShape {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  bool channels_last = false;
};

std::optional<ImageShape> image_shape(std::span<const std::int64_t> dims) {
  const auto is_channels = [](std::int64_t size) { return size == 1 || size == 3; };
  const auto is_side = [](std::int64_t size) { return size >= kLeastSide && size <= kMostSide; };
  if (dims.size() != 4 || dims[0] != 1) return std::nullopt;
  if (is_channels(dims[1]) && is_side(dims[2]) && is_side(dims[3]))
    return ImageShape{dims[2], dims[3], dims[1], false};
  if (is_channels(dims[3]) && is_side(dims[1]) && is_side(dims[2]))
    return ImageShape{dims[1], dims[2], dims[3], true};
  return std::nullopt;
}

Image shrunk(Image image, std::int64_t side) {
  const std::int64_t longer = std::max(image.height, image.width);
  if (longer <= side) return image;
  const auto scaled = [&](std::int64_t size) {
    return std::max<std::int64_t>(1, (size * side + longer / 2) / longer);
  };
  return resize(image, scaled(image.height), scaled(image.width), ResizeFilter::kBilinear);
}

}  // namespace

std::optional<Image> picture_of(const Tensor& tensor) {
  const std::optional<ImageShape> shape = image_shape(tensor.dims());
  if (!shape || tensor.dtype() == DType::kString) return std::nullopt;
  std::vector<float> values;
  if (tensor.dtype() == DType::kUInt8) {
    for (const std::uint8_t value : tensor.values<std::uint8_t>()) values.push_back(value);
  } else if (tensor.dtype() == DType::kFloat32 || tensor.dtype() == DType::kFloat16) {
    values = tensor.to_floats();
  } else {
    return std::nullopt;
  }
  const auto [low, high] = std::ranges::minmax(values);
  if (!std::isfinite(low) || !std::isfinite(high)) return std::nullopt;
  const float scale = high > low ? 255.0F / (high - low) : 0.0F;
  Image image{.height = shape->height, .width = shape->width, .channels = shape->channels};
  image.pixels.resize(values.size());
  const auto area = static_cast<std::size_t>(shape->height * shape->width);
  const auto channels = static_cast<std::size_t>(shape->channels);
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t at = 0; at < area; ++at) {
      const float value = values[shape->channels_last ? at * channels + c : c * area + at];
      image.pixels[at * channels + c] = static_cast<std::uint8_t>((value - low) * scale + 0.5F);
    }
  }
  return image;
}

std::optional<Image> picture_of(const Dataset& data, std::size_t i, std::int64_t side) {
  try {
    if (const auto encoded = data.encoded_image(i))
      return shrunk(decode_image(std::as_bytes(std::span(*encoded))), side);
    for (const NamedTensor& input : data.read(i).inputs) {
      if (auto picture = picture_of(input.value)) return shrunk(*std::move(picture), side);
    }
  } catch (const Error& error) {
    // A report is whole without it.
    if (error.code() == ErrorCode::kCancelled || error.code() == ErrorCode::kInternal) throw;
  }
  return std::nullopt;
}

}  // namespace planish::pipeline
