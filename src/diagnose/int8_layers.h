// The matrix operators of a model that is quantized, and in which form each multiplies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "planish/graph/model.h"

namespace planish::diagnose_detail {

enum class LayerForm : std::uint8_t {
  kFloat,       // float weight
  kWeightOnly,  // integer weight behind DequantizeLinear, float activation
  kStatic,      // both integers, of ranges that are known
  kDynamic,     // integers whose range is measured in every run
};

/// Conv, Gemm, MatMul or an integer form of them, of the main graph.
struct Int8Layer {
  std::string node = {};
  std::string op_type = {};
  LayerForm form = LayerForm::kFloat;
  std::optional<Tensor> weight = {};  // the integers, when they are a constant
  std::vector<float> scales = {};     // of the weight: one, or one per channel; none: not constant
  std::optional<std::int64_t> zero_point = {};  // of the weight, when it has one, constant
  std::size_t channel_axis = 0;                 // of the weight: its output channels
};

std::vector<Int8Layer> int8_layers(const Graph& graph);

}  // namespace planish::diagnose_detail
