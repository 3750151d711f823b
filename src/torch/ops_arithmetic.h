// Arithmetic, comparisons, logic and choice, element by element. Types are promoted as torch does.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void add(Call& call);
void sub(Call& call);
void rsub(Call& call);
void mul(Call& call);
void div(Call& call);
void div_mode(Call& call);
void floor_divide(Call& call);
void pow(Call& call);
void rsqrt(Call& call);
void maximum(Call& call);
void minimum(Call& call);

void eq(Call& call);
void ne(Call& call);
void lt(Call& call);
void le(Call& call);
void gt(Call& call);
void ge(Call& call);

void logical_and(Call& call);  // and bitwise_and, __and__ of bool
void logical_or(Call& call);
void logical_xor(Call& call);
void logical_not(Call& call);

void where(Call& call);
void masked_fill(Call& call);

}  // namespace planish::torch::ops
