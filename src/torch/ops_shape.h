// What moves, cuts and joins elements without computing with them.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void view(Call& call);  // reshape, flatten, unflatten …: whatever the result's shape is
void flatten(Call& call);
void squeeze_axes(Call& call);
void unsqueeze_axis(Call& call);
void transpose_axes(Call& call);
void exchange_last_axes(Call& call);  // mT
void permute(Call& call);
void t(Call& call);
void expand(Call& call);
void cat(Call& call);
void stack(Call& call);
void select(Call& call);
void slice(Call& call);
void split(Call& call);  // split, split_with_sizes, chunk, tensor_split: as the results say
void unbind(Call& call);
void constant_pad(Call& call);
void pad(Call& call);  // any mode
void reflection_pad(Call& call);
void replication_pad(Call& call);

}  // namespace planish::torch::ops
