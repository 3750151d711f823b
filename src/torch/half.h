// float16 and bfloat16 as the configuration wants them.
#pragma once

#include "planish/graph/tensor.h"
#include "planish/torch/import.h"

namespace planish::torch {

DType lowered_type(DType dtype, HalfPolicy policy);
/// The tensor itself, or its elements as float32.
Tensor lowered_tensor(const Tensor& tensor, HalfPolicy policy);

}  // namespace planish::torch
