// Pooling.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void max_pool(Call& call);  // 1d to 3d; indices are not given back
void avg_pool(Call& call);  // 1d to 3d
void adaptive_avg_pool(Call& call);
void adaptive_max_pool(Call& call);  // indices are not given back

}  // namespace planish::torch::ops
