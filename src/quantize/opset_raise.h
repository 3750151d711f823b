// A newer opset for a model whose nodes mean the same there, as onnx.version_converter makes it.
#pragma once

#include <cstdint>

#include "planish/graph/model.h"
#include "planish/quantize/config.h"

namespace planish::quantize_detail {

/// The opset that onnxruntime.quantization 1.32 raises a model of `opset` to before it quantizes it
/// (update_opset_version): 21 for 16 bits, 11 below 10; else `opset`.
std::int64_t raised_opset(std::int64_t opset, const QuantizationConfig& config);

/// `model` with its import of the ONNX domain raised to `opset`, and the attributes that newer
/// opsets want said. @throws Error(kUnsupported) naming a node that would have to be rewritten.
Model raise_opset(Model model, std::int64_t opset);

}  // namespace planish::quantize_detail
