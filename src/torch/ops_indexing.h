// Elements chosen by tensors of positions.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void embedding(Call& call);
void index_select(Call& call);
void index(Call& call);      // x[i, :, j], x[mask]
void index_put(Call& call);  // x[i, :, j] = values, x[mask] = value
void nonzero(Call& call);

}  // namespace planish::torch::ops
