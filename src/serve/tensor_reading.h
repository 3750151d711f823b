// From a caller's bytes to the tensors of a signature: what HTTP and gRPC requests have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "serve/protocol.h"

namespace planish::serve {

/// The input of that name. @throws Error(kInvalidArgument) naming those that there are.
const TensorSpec& input_spec(const std::string& name, const Signature& signature);

/// Elements of a shape. @throws Error(kInvalidArgument) when there are more than can be counted;
///   kExhausted beyond context.max_elements.
std::size_t counted_elements(const std::vector<std::int64_t>& dims, const InferContext& context);

/// `bytes`, a part of `body`, as the extension binary_tensor_data has elements: a view that keeps
/// `body` alive; strings are copied. @throws Error(kInvalidArgument) when they do not fill the
/// shape.
Tensor tensor_from_binary(const Body& body, std::string_view bytes, DType dtype,
                          std::vector<std::int64_t> dims, std::size_t count);

/// Whether BYTES for this input are images.
bool takes_images(const TensorSpec& spec, const InferContext& context);
/// What the model is given: images preprocessed, other tensors as they are. The images themselves
/// are appended to `images`. @throws Error(kInvalidArgument) for another datatype than the model's.
Tensor fitted(Tensor tensor, const TensorSpec& spec, const InferContext& context,
              std::vector<std::string>& images);

/// The `k` highest of each row as strings "value:index[:label]", dims [rows, k]. (Classification
/// extension: the rows are the first dimension; a vector is one row.)
Tensor classified(const Tensor& tensor, std::size_t k, const std::vector<std::string>& labels);

}  // namespace planish::serve
