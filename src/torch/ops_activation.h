// Activations and softmax.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void celu(Call& call);
void clamp(Call& call);  // clamp, clamp_min, clamp_max: numbers or tensors
void elu(Call& call);
void gelu(Call& call);
void glu(Call& call);
void hardshrink(Call& call);
void hardsigmoid(Call& call);
void hardtanh(Call& call);
void leaky_relu(Call& call);
void log_sigmoid(Call& call);
void log_softmax(Call& call);
void mish(Call& call);
void prelu(Call& call);
void relu6(Call& call);
void rrelu(Call& call);
void silu(Call& call);
void softmax(Call& call);
void softplus(Call& call);
void softshrink(Call& call);
void threshold(Call& call);

}  // namespace planish::torch::ops
