// A newer opset for a model whose nodes mean the same there, as onnx.version_converter makes it.
#pragma once

#include <cstdint>

#include "planish/graph/model.h"
#include "planish/quantize/config.h"

namespace planish::quantize_detail {

/// The opset that onnxruntime.quantization 1.32 raises a model of `opset` to before it quantizes it
/// (update_opset_version): 21 for 16 bits, 11 below 10; else `opset`.
std::int64_t raised_opset(std::int64_t opset, const QuantizationConfig& config);

/// What becomes of nodes whose operator has another form in the newer opset.
enum class OtherForms {
  kRefuse,   // where ONNX Runtime's quantizer rewrites them under names of its own
  kRewrite,  // opset_rewrites.h
};

/// `model` with its import of the ONNX domain raised to `opset`, and the attributes that newer
/// opsets want said; its nodes stay in number and order. @throws Error(kUnsupported) naming a node
/// that would have to be rewritten and is not, or cannot be.
Model raise_opset(Model model, std::int64_t opset, OtherForms forms = OtherForms::kRefuse);

}  // namespace planish::quantize_detail
