// How far a quantized model may be from the float model it was made from, element by element: what
// the arithmetic of the plan allows and no more.
//
// The bounds are computed by a graph that is made from the model's own: beside every value y stand
//   error   a bound of |quantized y - float y|, and
//   spread  a bound of |quantized y - quantized y| between two optimization levels of ONNX Runtime.
// With x^ = x + error, S the scale of a tensor, [lo, hi] the reals that its integers stand for:
//   quantizing      error = max(error + S/2, y - hi, lo - y): rounding is half a step off, and
//                   clamping to [lo, hi] takes no value in it further away.
//                   spread = spread + S: two results that round apart differ by one step more.
//   constants       error = S/2, or the distance from [lo, hi]; spread = 0: all levels read the
//   same. y = x * w + b   (a convolution or matrix product) error = error(x) * |w^| + |x| *
//   error(w) +
//                   error(b), and spread = spread(x) * |w^|: both are sums of products, so the
//                   operator itself computes them, on absolute values.
//   elementwise f   error = L error(x), L the largest slope of f; spread likewise.
//   moved elements  error and spread are moved with them.
// Float operators round: with K products in a sum, 2 K 2^-24 of the sum of magnitudes between any
// two ways to add them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "planish/quantize/plan.h"
#include "planish/runtime/session.h"

namespace planish::test {

/// One output of the model for one sample, float32.
struct OutputBound {
  std::string name = {};
  Tensor value = {};   // what the float model answers
  Tensor error = {};   // >= 0, of the same shape
  Tensor spread = {};  // likewise
};

struct Bounds {
  std::vector<OutputBound> outputs = {};
  /// The largest integer that a matrix kernel may meet as an unsigned 8-bit activation. Up to 127,
  /// sums of two products with signed weights fit into 16 bits.
  double largest_activation = 0.0;
};

/// The bounds for `inputs`, by running the graph described above without optimization.
///
/// Of the operators that random_model() makes. @throws Error(kUnsupported) for others.
Bounds bounds_of(const Model& model, const QuantizationPlan& plan,
                 std::span<const NamedTensor> inputs);

}  // namespace planish::test
