#include "preprocess/geometry.h"

#include <algorithm>
#include <string>
#include <utility>

#include "planish/base/error.h"

namespace planish::detail {
namespace {

/// int(size * longer / shorter), which Python divides as doubles.
std::int64_t scaled_side(std::int64_t size, std::int64_t longer, std::int64_t shorter) {
  const double side =
      static_cast<double>(size) * static_cast<double>(longer) / static_cast<double>(shorter);
  if (side > static_cast<double>(ImageLimits{}.max_pixels)) {
    throw Error(ErrorCode::kExhausted,
                "image of " + std::to_string(longer) + "x" + std::to_string(shorter) +
                    " pixels becomes too long when its shorter side is resized to " +
                    std::to_string(size));
  }
  return static_cast<std::int64_t>(side);
}

std::pair<std::int64_t, std::int64_t> resized_sides(std::int64_t height, std::int64_t width,
                                                    const PreprocessSpec& spec) {
  if (!spec.resize) return {height, width};
  if (!spec.resize->shorter) return {*spec.resize->height, *spec.resize->width};
  const std::int64_t size = *spec.resize->shorter;
  if (width <= height) return {scaled_side(size, height, width), size};
  return {size, scaled_side(size, width, height)};
}

/// round(n / 2) of Python: halves go to the even neighbour.
std::int64_t rounded_half(std::int64_t n) {
  const std::int64_t floor = n / 2;
  return n % 2 != 0 && floor % 2 != 0 ? floor + 1 : floor;
}

AxisGeometry axis_of(std::int64_t resized, std::int64_t crop) {
  if (crop > resized) {
    return {
        .resized = resized, .kept = {0, resized}, .output = crop, .offset = (crop - resized) / 2};
  }
  return {.resized = resized,
          .kept = {rounded_half(resized - crop), crop},
          .output = crop,
          .offset = 0};
}

}  // namespace

Geometry geometry_of(std::int64_t height, std::int64_t width, const PreprocessSpec& spec) {
  const auto [resized_height, resized_width] = resized_sides(height, width, spec);
  return {.rows = axis_of(resized_height, spec.crop ? (*spec.crop)[0] : resized_height),
          .columns = axis_of(resized_width, spec.crop ? (*spec.crop)[1] : resized_width)};
}

}  // namespace planish::detail
