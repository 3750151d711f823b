// Normalizations, as they are in evaluation mode.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void batch_norm(Call& call);
void batch_norm_no_training(Call& call);  // the core operator
void batch_norm_training(Call& call);     // core operators that only training uses: refused
void layer_norm(Call& call);              // and native_layer_norm
void group_norm(Call& call);              // and native_group_norm
void instance_norm(Call& call);
void rms_norm(Call& call);
void weight_norm(Call& call);
void dropout(Call& call);  // nothing, unless it is active
void native_dropout(Call& call);

}  // namespace planish::torch::ops
