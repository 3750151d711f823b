// The Pareto front of latency and accuracy over all models that were measured.
#pragma once

#include <vector>

#include "planish/pipeline/auto.h"

namespace planish::pipeline {

/// What is lost of the answers: of top-1 accuracy with labels, else of agreement, else of the mean
/// cosine; never below 0.
double loss_of(const AccuracyReport& report);

/// The models that no other beats or equals in speed, loss and cosine at once, fastest first; the
/// FP32 model, which loses nothing, is the last unless something as accurate is faster.
std::vector<FrontPoint> pareto_front(const AutoReport& report);

}  // namespace planish::pipeline
