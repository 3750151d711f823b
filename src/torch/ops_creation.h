// New tensors: filled, counted, converted.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void convert(Call& call);  // to, _to_copy, type_as: whatever the result's type is
void full(Call& call);     // full, full_like, new_full
void zeros(Call& call);    // zeros, zeros_like, new_zeros, and empty: its elements may be anything
void ones(Call& call);     // ones, ones_like, new_ones
void scalar_tensor(Call& call);
void arange(Call& call);
void linspace(Call& call);
void eye(Call& call);
void one_hot(Call& call);
void fill(Call& call);
void copy(Call& call);    // copy_: the source in the shape and type of what is written
void random(Call& call);  // refused

}  // namespace planish::torch::ops
