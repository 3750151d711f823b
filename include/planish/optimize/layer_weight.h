// Conv, Gemm and MatMul with a constant weight, and which channels an element of it joins.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "planish/graph/graph_index.h"
#include "planish/graph/model.h"

namespace planish {

/// The weight of a layer y[o] = sum over k of weight[o, k] * x[channel of k, ...]: which element
/// belongs to which input channel and which output channel.
///
/// Conv: [M, C/group, k...]. Gemm: [K, N], or [N, K] with transB. MatMul: [K, N].
struct LayerWeight {
  std::string name = {};            // the initializer: input 1 of the node
  std::size_t input_channels = 0;   // C or K
  std::size_t output_channels = 0;  // M or N
  std::size_t groups = 1;
  std::size_t kernel = 1;            // elements of a kernel: kH * kW; 1 of a matrix
  bool input_channel_first = false;  // [K, N]: the elements of one input channel are adjacent

  /// Products that add up to one output: C/group * kernel.
  [[nodiscard]] std::size_t terms() const { return input_channels / groups * kernel; }
  [[nodiscard]] std::size_t elements() const { return output_channels * terms(); }

  /// Element `term` of output channel `output`; terms go by input channel of the group, then by
  /// place in the kernel.
  [[nodiscard]] std::size_t element(std::size_t output, std::size_t term) const {
    return input_channel_first ? term * output_channels + output : output * terms() + term;
  }
  [[nodiscard]] std::size_t output_of(std::size_t element) const {
    return input_channel_first ? element % output_channels : element / terms();
  }
  [[nodiscard]] std::size_t term_of(std::size_t element) const {
    return input_channel_first ? element / output_channels : element % terms();
  }
  /// The input channel of `term` of output channel `output`.
  [[nodiscard]] std::size_t input_channel(std::size_t output, std::size_t term) const {
    const std::size_t group = output / (output_channels / groups);
    return group * (input_channels / groups) + term / kernel;
  }
};

/// The weight of `node`, when it is a Conv, a Gemm (without transA) or a MatMul whose input 1 is a
/// float32 constant of a sound shape; nothing otherwise.
std::optional<LayerWeight> layer_weight_of(const Node& node, const GraphIndex& index);

}  // namespace planish
