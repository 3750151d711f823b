// Constants that operators are written with, whose sizes come from the archive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace planish::torch {

/// Elements of a tensor of these dimensions, checked before memory is taken.
/// @throws Error(kCorrupt) for negative dimensions; Error(kUnsupported) for more than 2^24 elements
///   (a matrix from 4096 to 4096).
std::size_t constant_elements(std::span<const std::int64_t> dims);

}  // namespace planish::torch
