// Sizes of resize and centre crop, as torchvision rounds them.
#pragma once

#include <cstdint>

#include "preprocess/resample.h"

namespace planish::detail {

/// Where the pixels of one axis end up.
struct AxisGeometry {
  std::int64_t resized = 0;  // size after the resize
  Interval kept = {};        // of the resized axis, what the crop keeps
  std::int64_t output = 0;   // size of the result
  std::int64_t offset = 0;   // of the kept pixels in the result; what lies around them is 0
  friend bool operator==(const AxisGeometry&, const AxisGeometry&) = default;
};

struct Geometry {
  AxisGeometry rows = {};
  AxisGeometry columns = {};
};

/// `spec` is valid, height and width are 1 or more.
Geometry geometry_of(std::int64_t height, std::int64_t width, const PreprocessSpec& spec);

}  // namespace planish::detail
