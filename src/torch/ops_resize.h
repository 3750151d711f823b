// What samples images at other positions.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void upsample(Call& call);  // every mode, 1d to 3d
void upsample_antialiased(Call& call);
void grid_sampler(Call& call);
void affine_grid_generator(Call& call);
void pixel_shuffle(Call& call);
void pixel_unshuffle(Call& call);
void channel_shuffle(Call& call);
void im2col(Call& call);
void col2im(Call& call);

}  // namespace planish::torch::ops
