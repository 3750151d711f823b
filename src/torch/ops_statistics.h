// Variances, norms and distances.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void variance(Call& call);  // var
void standard_deviation(Call& call);
void variance_and_mean(Call& call);
void vector_norm(Call& call);  // linalg_vector_norm and norm
void cosine_similarity(Call& call);
void cdist(Call& call);

}  // namespace planish::torch::ops
