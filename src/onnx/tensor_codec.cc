#include "onnx/tensor_codec.h"

#include <utility>

#include "onnx/typed_data.h"
#include "planish/base/error.h"

namespace planish {
namespace {

DType element_type(const onnx::TensorProto& proto) {
  const DType dtype = dtype_of(proto.data_type());
  if (dtype == DType::kUndefined) {
    throw Error(ErrorCode::kCorrupt, "has no element type; expected a number of 1 or more");
  }
  return dtype;
}

Tensor take_external(onnx::TensorProto& proto, DType dtype, std::vector<std::int64_t> dims,
                     ExternalFiles& files) {
  if (dtype == DType::kString) {
    throw Error(ErrorCode::kCorrupt, "strings in external data; ONNX has them in string_data");
  }
  const ExternalPlace place = parse_place(proto.external_data());
  proto.clear_external_data();
  return files.read(place, dtype, std::move(dims));
}

Tensor take_raw(onnx::TensorProto& proto, DType dtype, std::vector<std::int64_t> dims) {
  if (dtype == DType::kString) {
    throw Error(ErrorCode::kCorrupt, "strings in raw_data; ONNX has them in string_data");
  }
  std::string bytes = std::move(*proto.mutable_raw_data());
  proto.clear_raw_data();
  return Tensor(dtype, std::move(dims), std::move(bytes));
}

Tensor take_data(onnx::TensorProto& proto, DType dtype, std::vector<std::int64_t> dims,
                 ExternalFiles& files) {
  const bool external = proto.data_location() == onnx::TensorProto::EXTERNAL;
  const bool raw = !proto.raw_data().empty();
  if (static_cast<int>(external) + static_cast<int>(raw) + static_cast<int>(has_typed_data(proto)) >
      1) {
    throw Error(ErrorCode::kCorrupt,
                "has elements in two places; expected one of raw_data, one list, external data");
  }
  proto.clear_data_location();
  if (external) return take_external(proto, dtype, std::move(dims), files);
  if (raw) return take_raw(proto, dtype, std::move(dims));
  proto.clear_raw_data();
  Tensor tensor =
      dtype == DType::kString
          ? Tensor::of_strings(std::move(dims), take_strings(*proto.mutable_string_data()))
          : take_typed_data(proto, dtype, std::move(dims));
  if (has_typed_data(proto)) {
    throw Error(ErrorCode::kCorrupt,
                "has elements in a list that is not for type " + std::string(name_of(dtype)));
  }
  return tensor;
}

}  // namespace

Initializer take_tensor(onnx::TensorProto& proto, ExternalFiles& files) {
  Initializer tensor;
  tensor.name = std::move(*proto.mutable_name());
  proto.clear_name();
  return in_context("tensor '" + tensor.name + "'", [&] {
    if (proto.has_segment()) {
      throw Error(ErrorCode::kUnsupported, "is stored in segments; expected it in one piece");
    }
    const DType dtype = element_type(proto);
    std::vector<std::int64_t> dims(proto.dims().begin(), proto.dims().end());
    proto.clear_data_type();
    proto.clear_dims();
    tensor.value = take_data(proto, dtype, std::move(dims), files);
    tensor.doc_string = std::move(*proto.mutable_doc_string());
    proto.clear_doc_string();
    tensor.metadata = take_metadata(*proto.mutable_metadata_props());
    tensor.opaque = bytes_of(proto);
    return std::move(tensor);
  });
}

void put_tensor_head(const Initializer& tensor, onnx::TensorProto& proto) {
  merge_opaque(tensor.opaque, proto);
  const Tensor& value = tensor.value;
  proto.mutable_dims()->Assign(value.dims().begin(), value.dims().end());
  proto.set_data_type(static_cast<std::int32_t>(value.dtype()));
  if (!tensor.name.empty()) proto.set_name(tensor.name);
  if (!tensor.doc_string.empty()) proto.set_doc_string(tensor.doc_string);
  put_metadata(tensor.metadata, *proto.mutable_metadata_props());
  for (const std::string& text : value.strings()) proto.add_string_data(text);
}

void put_tensor(const Initializer& tensor, onnx::TensorProto& proto) {
  put_tensor_head(tensor, proto);
  const auto bytes = tensor.value.bytes();
  if (!bytes.empty()) proto.set_raw_data(bytes.data(), bytes.size());
}

SparseInitializer take_sparse_tensor(onnx::SparseTensorProto& proto, ExternalFiles& files) {
  if (!proto.has_values() || !proto.has_indices()) {
    throw Error(ErrorCode::kCorrupt, "sparse tensor '" + proto.values().name() +
                                         "' lacks values or indices; expected both");
  }
  SparseInitializer tensor;
  tensor.values = take_tensor(*proto.mutable_values(), files);
  tensor.indices = take_tensor(*proto.mutable_indices(), files);
  tensor.dims.assign(proto.dims().begin(), proto.dims().end());
  proto.clear_values();
  proto.clear_indices();
  proto.clear_dims();
  tensor.opaque = bytes_of(proto);
  return tensor;
}

void put_sparse_tensor(const SparseInitializer& tensor, onnx::SparseTensorProto& proto) {
  merge_opaque(tensor.opaque, proto);
  put_tensor(tensor.values, *proto.mutable_values());
  put_tensor(tensor.indices, *proto.mutable_indices());
  proto.mutable_dims()->Assign(tensor.dims.begin(), tensor.dims.end());
}

}  // namespace planish
