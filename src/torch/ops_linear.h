// Matrix products and attention.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void linear(Call& call);
void matmul(Call& call);  // matmul
void mm(Call& call);      // mm, bmm
void addmm(Call& call);
void baddbmm(Call& call);
void dot(Call& call);  // dot, mv: of vectors
void outer(Call& call);
void einsum(Call& call);
void scaled_dot_product_attention(Call& call);

/// `value`, whose axis `axis` of `rank` has M elements, times a float32 matrix [M, N] along that
/// axis, which has N elements then.
std::string product_along(Call& call, const std::string& value, DType dtype, std::int64_t rank,
                          std::int64_t axis, const Tensor& matrix);

}  // namespace planish::torch::ops
