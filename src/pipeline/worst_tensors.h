// The activations that 8 bits represent worst.
#pragma once

#include <cstddef>
#include <vector>

#include "planish/pipeline/auto.h"
#include "planish/remedy/remedies.h"

namespace planish::pipeline {

/// Of the activations that `made` quantizes, those of the least expected SQNR on the calibration
/// samples, the worst first. None where nothing was calibrated.
std::vector<WorstTensor> worst_tensors(const RemediedPlan& made, std::size_t most = 6);

}  // namespace planish::pipeline
