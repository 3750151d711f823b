// Weights as PyTorch keeps them: a view with strides into a storage.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "planish/graph/tensor.h"
#include "torch/exported_program.h"

namespace planish::torch {

/// The tensor that `meta` describes within `storage`, which `owner` keeps alive. It views the
/// storage when its elements lie there in row-major order; else it is copied into that order. First
/// `allow` is told how many bytes the tensor has; it throws to refuse.
/// @throws Error(kCorrupt) when sizes or strides are negative or symbolic, or reach beyond the
///   storage; what `allow` throws.
Tensor strided_tensor(const TensorMeta& meta, std::span<const std::byte> storage,
                      const std::shared_ptr<const void>& owner,
                      const std::function<void(std::size_t bytes)>& allow);

}  // namespace planish::torch
