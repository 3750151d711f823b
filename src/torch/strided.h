// Weights as PyTorch keeps them: a view with strides into a storage.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "planish/graph/tensor.h"
#include "torch/exported_program.h"

namespace planish::torch {

/// The tensor that `meta` describes within `storage`, which `owner` keeps alive. It views the
/// storage when its elements lie there in row-major order; else it is copied into that order.
/// @throws Error(kCorrupt) when sizes or strides are negative or symbolic, or reach beyond the
///   storage; Error(kExhausted) when far more elements are claimed than are stored.
Tensor strided_tensor(const TensorMeta& meta, std::span<const std::byte> storage,
                      const std::shared_ptr<const void>& owner);

}  // namespace planish::torch
