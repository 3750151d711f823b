// Convolutions and their transposes.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void conv(Call& call);            // conv1d, conv2d, conv3d
void conv_padding(Call& call);    // the same with padding "same" or "valid"
void conv_transpose(Call& call);  // conv_transpose1d to 3d
void convolution(Call& call);     // the core operator, both ways

}  // namespace planish::torch::ops
