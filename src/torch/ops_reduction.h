// What makes one element of many.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void mean(Call& call);
void sum(Call& call);
void amax(Call& call);
void amin(Call& call);
void any(Call& call);

}  // namespace planish::torch::ops
