// Arithmetic on sizes that come from files and requests: an overflow is an error, never a wrap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace planish {

/// a * b. @throws Error(kCorrupt) when the product does not fit.
std::size_t checked_mul(std::size_t a, std::size_t b);

/// a + b. @throws Error(kCorrupt) when the sum does not fit.
std::size_t checked_add(std::size_t a, std::size_t b);

/// Product of `dims`; 1 for a scalar (no dims).
/// @throws Error(kCorrupt) when a dimension is negative or the product does not fit in 63 bits.
std::size_t checked_element_count(std::span<const std::int64_t> dims);

}  // namespace planish
