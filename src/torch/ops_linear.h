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

}  // namespace planish::torch::ops
