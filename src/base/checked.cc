#include "planish/base/checked.h"

#include <limits>
#include <string>

#include "planish/base/error.h"

namespace planish {

std::size_t checked_mul(std::size_t a, std::size_t b) {
  std::size_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) {
    throw Error(ErrorCode::kCorrupt,
                "size " + std::to_string(a) + " x " + std::to_string(b) + " overflows");
  }
  return product;
}

std::size_t checked_add(std::size_t a, std::size_t b) {
  std::size_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) {
    throw Error(ErrorCode::kCorrupt,
                "size " + std::to_string(a) + " + " + std::to_string(b) + " overflows");
  }
  return sum;
}

std::size_t checked_element_count(std::span<const std::int64_t> dims) {
  std::size_t count = 1;
  bool empty = false;
  for (const std::int64_t dim : dims) {
    if (dim < 0) {
      throw Error(ErrorCode::kCorrupt,
                  "dimension " + std::to_string(dim) + "; expected a number of 0 or more");
    }
    // A zero elsewhere must not hide an absurd dimension here.
    if (dim == 0)
      empty = true;
    else
      count = checked_mul(count, static_cast<std::size_t>(dim));
  }
  if (count > static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max())) {
    throw Error(ErrorCode::kCorrupt, "element count " + std::to_string(count) + " overflows");
  }
  return empty ? 0 : count;
}

}  // namespace planish
