// Pairs of weights whose products could exceed 16 bits (planish/quantize/sum_layout.h), and the
// scale at which they do not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "planish/graph/dtype.h"
#include "planish/quantize/sum_layout.h"

namespace planish::quantize_detail {

/// One pair of neighbours of the same sign, as magnitudes; the sign matters by one part in 32768.
struct WeightPair {
  float first = 0.0F;
  float second = 0.0F;
  bool negative = false;
};

/// The pairs of sum `sum` that exceed 16 bits at `scale` under activations of up to `largest`.
std::vector<WeightPair> overflowing_pairs(std::span<const float> weights, const SumLayout& layout,
                                          std::size_t sum, float scale, std::int32_t largest);

/// The least scale >= `scale` at which no pair exceeds 16 bits, of type `scale_dtype` (float32, or
/// float16: then the least half). Integers are clamp(rint(w / scale)), as params.h quantizes.
float scale_without_overflow(std::span<const WeightPair> pairs, float scale, std::int32_t largest,
                             DType scale_dtype = DType::kFloat32);

}  // namespace planish::quantize_detail
