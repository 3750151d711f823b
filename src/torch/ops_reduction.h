// What makes one element of many.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void mean(Call& call);
void sum(Call& call);
void amax(Call& call);
void amin(Call& call);
void prod(Call& call);
void logsumexp(Call& call);
void any(Call& call);
void all(Call& call);

}  // namespace planish::torch::ops
