// Multiplying by a positive number and adding one cost nothing on integers.
//
// With x = S (q - Z)   c * x + d = cS (q - (Z - d / cS)),
//
// the same integers at another scale and zero point, without any error, when d / cS is an integer:
// S = |d| / (c * m) for an integer m. Networks with a learnt scale and shift behind each activation
// (PP-LCNetV3) are full of them.
#pragma once

#include <optional>

#include "quantize/hard_sigmoid.h"

namespace planish::quantize_detail {

/// Parameters of x, and of c * x + d.
struct ScalarAffineForm {
  QuantizationParams input = {};
  QuantizationParams output = {};
};

/// The form for an x of `range` as 8-bit `dtype`, with the largest m at which the range, 0 and -d/c
/// fit; nothing when c is not positive, d is 0 or not finite, or the scale would be coarser than
/// the range asks for by more than the square root of 2, which is what rounding twice costs.
std::optional<ScalarAffineForm> scalar_affine_form(double c, double d, TensorRange range,
                                                   DType dtype);

/// Adds to `given` the parameters of the tensors around each taken Add and Mul of one number, where
/// nothing else gives them.
void give_params_around_scalars(const Graph& graph, const GraphFacts& facts, const Ranges& ranges,
                                const QuantizationConfig& config,
                                const std::vector<NodeDecision>& decisions, GivenParamsMap& given);

}  // namespace planish::quantize_detail
