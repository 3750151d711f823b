// What it costs to go from floats to integers and back around an operator, and what the operator
// itself gains.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quantize/graph_facts.h"

namespace planish::quantize_detail {

// Nanoseconds an element, of float32 values of 150 000 elements in the cache: AMD EPYC (AVX2), ONNX
// Runtime 1.32, one thread, its profile's medians. On other CPUs all of them shrink or grow alike,
// since they are bound by loads and stores.
inline constexpr double kQuantizeTime = 0.32;
inline constexpr double kDequantizeTime = 0.18;

/// What the integer kernel of an operator saves over the float one.
struct KernelSaving {
  std::string_view op_type = {};
  double time = 0.0;
};

/// Measured are Add, Concat, GlobalAveragePool, Relu and Transpose; the others are taken to save
/// what the one of these does that moves as many bytes. Operators that are not here save nothing:
/// Mul, Sigmoid and LeakyRelu are no faster on integers, Reshape and its like move nothing.
inline constexpr std::array kKernelSavings{
    KernelSaving{"Add", 0.13},
    KernelSaving{"AveragePool", 0.13},
    KernelSaving{"Clip", 0.21},
    KernelSaving{"Concat", 0.24},
    KernelSaving{"DepthToSpace", 0.24},
    KernelSaving{"Gather", 0.24},
    KernelSaving{"GlobalAveragePool", 0.13},
    KernelSaving{"HardSigmoid", 0.21},
    KernelSaving{"MaxPool", 0.24},
    KernelSaving{"Relu", 0.21},
    KernelSaving{"Resize", 0.24},
    KernelSaving{"Slice", 0.24},
    KernelSaving{"Split", 0.24},
    KernelSaving{"Transpose", 0.34},
};

/// Valid while the graph is unchanged.
class ConversionCosts {
 public:
  ConversionCosts(const Graph& graph, const GraphFacts& facts) : graph_(graph), facts_(facts) {}

  /// Nanoseconds by which a run takes longer with node `i` on integers than in float, the other
  /// nodes as `on_integers` says. Symbolic dimensions count as 1: only sums over values of the same
  /// ones are compared. Nothing when the shape of a value around the node is not known.
  [[nodiscard]] std::optional<double> loss_of(std::size_t i, std::vector<bool> on_integers) const;

 private:
  /// Elements of `value`, symbolic dimensions as 1.
  [[nodiscard]] std::optional<double> elements(const std::string& value) const;
  /// QuantizeLinear and DequantizeLinear of `value`, an element; 0 for constants.
  [[nodiscard]] double conversions(const std::string& value,
                                   const std::vector<bool>& on_integers) const;
  /// Whether integers of node `maker` can be floats for nothing: MatMul and Gemm have kernels that
  /// write floats, and what only moves them is given back where no integer kernel reads it.
  [[nodiscard]] bool may_be_floats(std::size_t maker) const;

  const Graph& graph_;
  const GraphFacts& facts_;
};

}  // namespace planish::quantize_detail
