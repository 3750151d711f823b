// reduce_ranges() for a model whose weights are integers already.
#pragma once

#include <vector>

#include "planish/graph/model.h"
#include "planish/quantize/range_reduction.h"

namespace planish::quantize_detail {

/// Divides the integers of every output channel whose pairs of products could exceed 16 bits by the
/// least ratio r >= 1 at which none can, multiplies its scale by r, and divides its int32 bias by
/// r. Rounding once more costs up to half a step of r more than quantizing the float weights would.
std::vector<RangeReduction> reduce_quantized_ranges(Model& model);

}  // namespace planish::quantize_detail
