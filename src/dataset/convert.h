// Elements of one type as another, where no meaning is lost.
#pragma once

#include "planish/graph/tensor.h"

namespace planish::detail {

/// `tensor` with elements of type `wanted`.
///
/// Floats become other floats and integers become floats, rounded to the nearest (a finite value
/// that would become infinite is refused); integers become other integers and bool, when every
/// value fits.
/// @throws Error(kInvalidArgument) with what was found and expected.
Tensor convert(const Tensor& tensor, DType wanted);

/// Whether convert() can succeed for some values of type `from`.
bool is_convertible(DType from, DType wanted);

}  // namespace planish::detail
