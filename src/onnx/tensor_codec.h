// onnx::TensorProto and planish::Initializer.
//
// ONNX has three ways to store elements: raw bytes, lists of numbers, another file. planish reads
// all and writes raw bytes (or another file), so how a file stores a tensor is not part of a model.
#pragma once

#include "onnx/external_files.h"
#include "onnx/proto.h"

namespace planish {

/// Moves a tensor out of `proto`; its bytes are moved or mapped, not copied, where they stand as
/// Tensor needs them. Errors name the tensor.
/// @throws Error(kCorrupt) when data, type and shape do not agree; Error(kUnsupported) for
/// segmented
///   tensors, which no implementation of ONNX writes.
Initializer take_tensor(onnx::TensorProto& proto, ExternalFiles& files);

/// All of `tensor` but its bytes; strings are written.
void put_tensor_head(const Initializer& tensor, onnx::TensorProto& proto);
/// All of `tensor`.
void put_tensor(const Initializer& tensor, onnx::TensorProto& proto);

SparseInitializer take_sparse_tensor(onnx::SparseTensorProto& proto, ExternalFiles& files);
void put_sparse_tensor(const SparseInitializer& tensor, onnx::SparseTensorProto& proto);

}  // namespace planish
