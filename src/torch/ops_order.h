// What compares the elements along an axis: largest, smallest, sorted; running sums.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void argmax(Call& call);
void argmin(Call& call);
void max_along(Call& call);  // values and positions
void min_along(Call& call);
void topk(Call& call);
void sort(Call& call);
void argsort(Call& call);
void cumsum(Call& call);

}  // namespace planish::torch::ops
