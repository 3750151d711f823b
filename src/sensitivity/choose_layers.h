// The layers whose noise has to go at the least loss of time: a knapsack, solved exactly.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "planish/sensitivity/search.h"

namespace planish::sensitivity_detail {

/// Indices, sorted, of the layers to keep in FP32 so that those that stay INT8 make no more than
/// `noise_left`, with the least sum of saved_ms given up; layers that INT8 makes slower cost
/// nothing. Noises are rounded to a thousandth of what has to go, in its disfavour, so the choice
/// is enough, and the cheapest but for that. Time: layers x 1000.
std::vector<std::size_t> cheapest_layers(std::span<const LayerTrade> layers, double noise_left);

}  // namespace planish::sensitivity_detail
