// What repeats, turns and cuts elements into windows without computing with them.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void repeat(Call& call);  // repeat and tile
void repeat_interleave(Call& call);
void flip(Call& call);
void roll(Call& call);
void movedim(Call& call);  // also moveaxis
void swap_axes(Call& call);
void narrow(Call& call);
void unfold(Call& call);
void meshgrid(Call& call);
void diagonal(Call& call);
void tril(Call& call);
void triu(Call& call);

}  // namespace planish::torch::ops
