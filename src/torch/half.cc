#include "torch/half.h"

namespace planish::torch {

DType lowered_type(DType dtype, HalfPolicy policy) {
  const bool half = dtype == DType::kFloat16 || dtype == DType::kBFloat16;
  return half && policy == HalfPolicy::kToFloat32 ? DType::kFloat32 : dtype;
}

Tensor lowered_tensor(const Tensor& tensor, HalfPolicy policy) {
  if (lowered_type(tensor.dtype(), policy) == tensor.dtype()) return tensor;
  return Tensor::of(tensor.dims(), tensor.to_floats());
}

}  // namespace planish::torch
