// Tensors and types across the border to ONNX Runtime.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "planish/graph/tensor.h"
#include "planish/runtime/session.h"
#include "runtime/ort.h"

namespace planish {

/// A view of `tensor`, which must outlive the result; strings are copied.
Ort::Value view_as_ort_value(const Tensor& tensor);

/// A tensor that owns `value`. ONNX Runtime may hand out an input's own memory as an output: then
/// the result shares that input's memory, too.
Tensor tensor_from(Ort::Value value, std::span<const NamedTensor> inputs);

/// @throws Error(kUnsupported) when the type is not a tensor's; `name` says whose type it is.
TensorSpec spec_from(std::string_view name, const Ort::TypeInfo& type);

}  // namespace planish
