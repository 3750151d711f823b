// Elementary functions that ONNX composes of others, and sums of products.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void addcdiv(Call& call);
void addcmul(Call& call);
void atan2(Call& call);
void exp2(Call& call);
void expm1(Call& call);
void fmod(Call& call);
void isfinite(Call& call);
void isinf(Call& call);
void isnan(Call& call);
void lerp(Call& call);
void log10(Call& call);
void log1p(Call& call);
void log2(Call& call);
void logit(Call& call);
void nan_to_num(Call& call);
void remainder(Call& call);
void square(Call& call);
void trunc(Call& call);

}  // namespace planish::torch::ops
