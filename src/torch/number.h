// Python numbers as scalars of a tensor's type.
#pragma once

#include <cstdint>

#include "planish/graph/tensor.h"

namespace planish::torch {

/// A tensor [] of `dtype` that holds `value`, rounded or wrapped as torch does.
/// @throws Error(kUnsupported) for types without arithmetic (strings, float8, complex).
Tensor real_scalar(double value, DType dtype);
Tensor integer_scalar(std::int64_t value, DType dtype);

}  // namespace planish::torch
