// From s8 to u8 activations on the same grid: zero points and constants + 128.
#pragma once

#include <cstddef>

#include "planish/graph/model.h"

namespace planish::quantize_detail {

struct UnsignedCounts {
  std::size_t values = 0;     // s8 values between nodes that are u8 now
  std::size_t constants = 0;  // that go with them
  std::size_t conversions =
      0;  // put where an s8 value must stay: inputs, outputs, unknown operators
};

/// Whether any operator of `model` works on s8 activations.
bool has_signed_activations(const Model& model);

/// Makes every s8 activation of the outermost graph u8: q + 128 with zero point Z + 128 is the same
/// real number. Weights stay s8. What operators outside kIntegerOps, subgraphs and the graph's
/// callers read or make stays s8, behind a conversion that is exact. Nodes stay in their order.
UnsignedCounts make_activations_unsigned(Model& model);

}  // namespace planish::quantize_detail
