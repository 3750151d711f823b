// How much of a model's arithmetic is done in FP32 and how much in INT8: what its least time
// follows from (host/peaks.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "planish/graph/model.h"
#include "planish/runtime/session.h"

namespace planish {

struct WorkSplit {
  std::uint64_t fp32_macs = 0;    // multiply-accumulates of one run
  std::uint64_t int8_macs = 0;    // of nodes with an integer kernel, or between Q/DQ pairs
  std::size_t unknown_nodes = 0;  // matrix operators whose shapes depend on values, or in bodies
};

/// The work of one run of `model`, FP32 or quantized, on inputs of the shapes of `inputs`. A node
/// between DequantizeLinear nodes counts as INT8 whether or not ONNX Runtime fuses them: the limit
/// is what could be.
/// @throws Error as infer_value_types.
WorkSplit work_split(const Model& model, std::span<const NamedTensor> inputs);

}  // namespace planish
