// The element types of the Open Inference Protocol and planish's names for them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "planish/graph/tensor.h"

namespace planish::serve {

/// "FP32", …; "" for a type that the protocol does not have.
std::string_view datatype_of(DType dtype);
std::optional<DType> dtype_from_datatype(std::string_view datatype);
/// Whether elements can be written as JSON: all but FP16 and BF16, which are binary only.
bool has_json_form(DType dtype);
/// The elements as the extension binary_tensor_data has them: strings each behind their length in
/// four bytes, little-endian.
std::string binary_of(const Tensor& tensor);

}  // namespace planish::serve
