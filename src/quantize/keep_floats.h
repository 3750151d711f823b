// What a plan leaves in floats stays so when the model runs.
#pragma once

#include "planish/graph/model.h"

namespace planish::quantize_detail {

/// ONNX Runtime quantizes the weight and bias of a float Conv, ConvTranspose or Gemm itself, per
/// tensor to int8, when a DequantizeLinear of one scale is before it and nothing but clamps is
/// between it and a QuantizeLinear behind (WeightBiasQuantization, from level basic on). Such a
/// node gets a DequantizeLinear of its own whose scale is given for each channel, always the same:
/// equal values, and the runtime leaves the node alone.
///
/// Not where the input has one channel only, nor below opset 13, which has no scales by channel.
void keep_floats(Model& model);

}  // namespace planish::quantize_detail
