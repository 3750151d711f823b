// Recurrent layers over whole sequences.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void lstm(Call& call);
void gru(Call& call);
void rnn_tanh(Call& call);
void rnn_relu(Call& call);

}  // namespace planish::torch::ops
