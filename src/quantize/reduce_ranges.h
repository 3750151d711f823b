// The least loss of range that keeps the integer kernels of a target from saturating.
#pragma once

#include <span>
#include <vector>

#include "planish/quantize/plan.h"

namespace planish::quantize_detail {

/// Raises the scale of every output channel of an s8 weight whose pairs of products with u8
/// activations could exceed 16 bits, to the least scale at which none can; gives the biases that
/// depend on it their new scales. Runs last: whatever else chose a scale, it only raises it.
///
/// `decisions` are about the nodes of `graph`, the parameters in `tensors` and `biases`. Does
/// nothing where config.target does not saturate, and under profile onnxruntime-1.32.
std::vector<RangeReduction> reduce_ranges(const Graph& graph,
                                          std::span<const NodeDecision> decisions,
                                          const QuantizationConfig& config,
                                          std::vector<TensorPlan>& tensors,
                                          std::vector<BiasPlan>& biases);

}  // namespace planish::quantize_detail
