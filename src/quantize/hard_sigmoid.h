// HardSigmoid on integers costs a clamp, or nothing.
//
// y = clamp(alpha * x + beta, 0, 1) with x = Sx (q - Zx), y = Sy (p - Zy) is
//
//   p = clamp(q, Zy, Zy + 1/Sy)     for  Sy = alpha * Sx,  Zy = Zx - n,  n = beta / Sy,
//
// without any error, when n is an integer: the integers of x, between two bounds, read at another
// scale. So x gets the scale Sx = beta / (alpha * n) with the largest n at which its range fits.
// HardSwish, x * HardSigmoid(x), is then one integer product.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "planish/quantize/plan.h"
#include "quantize/graph_facts.h"
#include "quantize/ranges.h"

namespace planish::quantize_detail {

/// What reads the input of a HardSigmoid decides which of its values have to be told apart.
enum class GateReaders {
  kGateOnly,        // the HardSigmoid alone: nothing outside of where it rises
  kGateAndProduct,  // and Mul(x, HardSigmoid(x)): nothing below, where the product is 0
  kOthers,          // everything
};

struct HardSigmoidForm {
  QuantizationParams input = {};
  QuantizationParams output = {};
  IntegerLimits bounds = {};  // of the integers of the output
};

/// The form for an input of `range` as 8-bit `dtype`; nothing when alpha or beta is not positive,
/// or the range so wide that n would be 0. A value of the range that is told apart is at most half
/// a scale off, as with params_for(); the scale may be up to (n + 1) / n of its.
std::optional<HardSigmoidForm> hard_sigmoid_form(float alpha, float beta, TensorRange range,
                                                 DType dtype, GateReaders readers);

/// The same for node `gate`; nothing when its type is not HardSigmoid, it has no range, or
/// something keeps its input from a scale of its own: a second HardSigmoid, a maker that shares
/// parameters. `config` may rule it out too: the zero points that follow are not symmetric.
std::optional<HardSigmoidForm> hard_sigmoid_form(const Node& gate, const Graph& graph,
                                                 const GraphFacts& facts, const Ranges& ranges,
                                                 const QuantizationConfig& config);

/// Whether the integer form of `maker` gives its output parameters of its own.
bool chooses_output_params(const Node& maker);

/// Whether `config` leaves parameters free: 8 bits, any zero point, ranges as they are.
bool allows_given_params(const QuantizationConfig& config);

/// Parameters that the taken HardSigmoids of a graph give to tensors, by name.
struct GivenParams {
  QuantizationParams params = {};
  std::optional<IntegerClamp> clamp = {};  // outputs
};
using GivenParamsMap = std::map<std::string, GivenParams, std::less<>>;
GivenParamsMap params_given_by_hard_sigmoids(const Graph& graph, const GraphFacts& facts,
                                             const Ranges& ranges, const QuantizationConfig& config,
                                             const std::vector<NodeDecision>& decisions);

}  // namespace planish::quantize_detail
