// Elements of a tensor that stand in lists of numbers (float_data, int32_data, ...), not in
// raw_data.
#pragma once

#include "onnx/proto.h"

namespace planish {

/// Moves the elements out of the list that ONNX assigns to `dtype`, which is no string.
/// @throws Error(kCorrupt) when their number is not that of `dims`, or one is out of range.
Tensor take_typed_data(onnx::TensorProto& proto, DType dtype, std::vector<std::int64_t> dims);

/// Whether any list of `proto` has elements.
bool has_typed_data(const onnx::TensorProto& proto);

}  // namespace planish
