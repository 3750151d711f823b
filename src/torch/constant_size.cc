#include "torch/constant_size.h"

#include <string>

#include "planish/base/checked.h"
#include "planish/base/error.h"

namespace planish::torch {

std::size_t constant_elements(std::span<const std::int64_t> dims) {
  constexpr std::size_t kMost = std::size_t{1} << 24;
  const std::size_t count = checked_element_count(dims);
  if (count > kMost) {
    throw Error(ErrorCode::kUnsupported, "it would be written with a constant of " +
                                             std::to_string(count) + " elements; at most " +
                                             std::to_string(kMost) + " are");
  }
  return count;
}

}  // namespace planish::torch
