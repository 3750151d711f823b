// Shares of time by layer, from ONNX Runtime's profile of a whole model.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "planish/runtime/node_profile.h"
#include "planish/sensitivity/layers.h"

namespace planish::sensitivity_detail {

/// One share per layer, of the time of all nodes. Times that belong to no layer (conversions,
/// layouts, what stays FP32) count for none.
std::vector<double> time_shares(std::span<const PrecisionLayer> layers, const Graph& graph,
                                std::span<const NodeTime> times);

}  // namespace planish::sensitivity_detail
