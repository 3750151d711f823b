// The activation ranges that a plan uses: the calibrated ones, adjusted by what follows a tensor.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "planish/quantize/plan.h"
#include "quantize/graph_facts.h"

namespace planish::quantize_detail {

using Ranges = std::map<std::string, TensorRange, std::less<>>;

/// The table's ranges, where
///  - a tensor that only a Relu or Clip reads has the range of that node's output: the integers
///    then clamp for free, and none is spent on values that the node would cut off;
///  - the output of Softmax has [0, 1];
///  - (profile best) what only moves elements has the range of what it moves, unless the table
///  says.
/// Only nodes that `selected` admits (one flag per node) count. Source: adjust_tensor_ranges of the
/// onnxruntime 1.32 Python package; profile best does not need the unclamped range to be there.
Ranges adjusted_ranges(const Graph& graph, const GraphFacts& facts, const CalibrationTable& table,
                       const std::vector<bool>& selected, QuantizationProfile profile);

/// The parameters of activation `tensor` of range `range` under `config` and its overrides.
QuantizationParams activation_params(const std::string& tensor, TensorRange range,
                                     DType scale_dtype, const QuantizationConfig& config);
/// The same of the second pair of a tensor that is converted (ConvertOverride), which it is.
QuantizationParams converted_params(const std::string& tensor, TensorRange range, DType scale_dtype,
                                    const QuantizationConfig& config);

}  // namespace planish::quantize_detail
