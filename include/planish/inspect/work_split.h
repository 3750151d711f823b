// How much of a model's arithmetic is done in FP32 and how much in INT8, and how fast each kind of
// work runs: what its least time follows from (host/peaks.h), and what holds it back.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "planish/graph/model.h"
#include "planish/runtime/node_profile.h"
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

/// Kernels of one kind, in the graph that runs.
struct KindOfWork {
  std::string kind = {};  // "INT8 depthwise Conv", "FP32 MatMul", else the operator: "QLinearAdd"
  bool int8 = false;      // of its multiply-accumulates
  std::size_t kernels = 0;
  std::uint64_t macs = 0;  // 0 where a kernel moves or maps elements
  std::chrono::nanoseconds time{};
};

/// `times` (profile_nodes of `model` on inputs of the shapes of `inputs`) by kind of work, most
/// time first. Convolutions are told apart by what bounds them: depthwise ones by memory and
/// shuffling, pointwise ones are matrix products, others reuse each element many times.
/// @throws Error as infer_value_types.
std::vector<KindOfWork> time_by_kind(const Model& model, std::span<const NamedTensor> inputs,
                                     std::span<const NodeTime> times);

}  // namespace planish
