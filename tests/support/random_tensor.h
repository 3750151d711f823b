// Tensors with random elements, the same for the same seed on every machine.
#pragma once

#include <cstdint>
#include <vector>

#include "planish/graph/tensor.h"

namespace planish::test {

/// Uniform in [low, high). Every element is a multiple of (high - low) / 2^24.
std::vector<float> random_floats(std::size_t count, std::uint64_t seed, float low = -1.0F,
                                 float high = 1.0F);

/// Normally distributed with mean 0 and standard deviation `sigma`, as weights are.
std::vector<float> random_normals(std::size_t count, std::uint64_t seed, float sigma = 1.0F);

/// A float32 tensor of random_floats().
Tensor random_tensor(std::vector<std::int64_t> dims, std::uint64_t seed, float low = -1.0F,
                     float high = 1.0F);

/// A tensor of any element type of fixed size with random bits: every pattern occurs, NaN too.
/// Bits of the last byte that belong to no element are 0; bool is 0 or 1.
Tensor random_bits(DType dtype, std::vector<std::int64_t> dims, std::uint64_t seed);

}  // namespace planish::test
