#include "onnx/type_codec.h"

#include <utility>

#include "planish/base/error.h"

namespace planish {
namespace {

Dim take_dim(onnx::TensorShapeProto::Dimension& proto) {
  Dim dim;
  if (proto.has_dim_value()) dim.value = proto.dim_value();
  if (proto.has_dim_param()) dim.value = std::move(*proto.mutable_dim_param());
  proto.clear_value();
  dim.denotation = std::move(*proto.mutable_denotation());
  proto.clear_denotation();
  dim.opaque = bytes_of(proto);
  return dim;
}

void put_dim(const Dim& dim, onnx::TensorShapeProto::Dimension& proto) {
  merge_opaque(dim.opaque, proto);
  if (const auto number = dim.number()) proto.set_dim_value(*number);
  if (const auto symbol = dim.symbol()) proto.set_dim_param(*symbol);
  if (!dim.denotation.empty()) proto.set_denotation(dim.denotation);
}

/// TypeProto.Tensor and TypeProto.SparseTensor have the same fields.
template <typename Type, typename Proto>
Type take_tensor_type(Proto& proto) {
  Type type;
  type.dtype = dtype_of(proto.elem_type());
  proto.clear_elem_type();
  if (!proto.has_shape()) return type;
  onnx::TensorShapeProto& shape = *proto.mutable_shape();
  type.shape.emplace();
  type.shape->reserve(static_cast<std::size_t>(shape.dim_size()));
  for (auto& dim : *shape.mutable_dim()) type.shape->push_back(take_dim(dim));
  shape.clear_dim();
  if (shape.ByteSizeLong() == 0) proto.clear_shape();
  return type;
}

template <typename Type, typename Proto>
void put_tensor_type(const Type& type, Proto& proto) {
  if (type.dtype != DType::kUndefined) proto.set_elem_type(static_cast<std::int32_t>(type.dtype));
  if (!type.shape) return;
  onnx::TensorShapeProto& shape = *proto.mutable_shape();
  for (const Dim& dim : *type.shape) put_dim(dim, *shape.add_dim());
}

MapType take_map_type(onnx::TypeProto::Map& proto, std::size_t levels) {
  MapType type;
  type.key = dtype_of(proto.key_type());
  type.value = take_type(*proto.mutable_value_type(), levels);
  proto.clear_key_type();
  proto.clear_value_type();
  return type;
}

/// TypeProto.Sequence and TypeProto.Optional have the same fields.
template <typename Type, typename Proto>
Type take_container_type(Proto& proto, std::size_t levels) {
  Type type;
  type.element = take_type(*proto.mutable_elem_type(), levels);
  proto.clear_elem_type();
  return type;
}

OpaqueType take_opaque_type(onnx::TypeProto::Opaque& proto) {
  OpaqueType type;
  type.domain = std::move(*proto.mutable_domain());
  type.name = std::move(*proto.mutable_name());
  proto.clear_domain();
  proto.clear_name();
  return type;
}

bool is_said(const Box<ValueType>& type) { return !(*type == ValueType()); }

struct TypeWriter {
  onnx::TypeProto& proto;
  void operator()(std::monostate) const {}
  void operator()(const TensorType& type) const {
    put_tensor_type(type, *proto.mutable_tensor_type());
  }
  void operator()(const SparseTensorType& type) const {
    put_tensor_type(type, *proto.mutable_sparse_tensor_type());
  }
  void operator()(const SequenceType& type) const {
    onnx::TypeProto::Sequence& sequence = *proto.mutable_sequence_type();
    if (is_said(type.element)) put_type(*type.element, *sequence.mutable_elem_type());
  }
  void operator()(const OptionalType& type) const {
    onnx::TypeProto::Optional& optional = *proto.mutable_optional_type();
    if (is_said(type.element)) put_type(*type.element, *optional.mutable_elem_type());
  }
  void operator()(const MapType& type) const {
    onnx::TypeProto::Map& map = *proto.mutable_map_type();
    if (type.key != DType::kUndefined) map.set_key_type(static_cast<std::int32_t>(type.key));
    if (is_said(type.value)) put_type(*type.value, *map.mutable_value_type());
  }
  void operator()(const OpaqueType& type) const {
    onnx::TypeProto::Opaque& opaque = *proto.mutable_opaque_type();
    if (!type.domain.empty()) opaque.set_domain(type.domain);
    if (!type.name.empty()) opaque.set_name(type.name);
  }
};

}  // namespace

ValueType take_type(onnx::TypeProto& proto, std::size_t levels) {
  if (levels == 0) throw Error(ErrorCode::kCorrupt, "types nest too deep");
  ValueType type;
  // What is left of the alternative; an empty one need not be kept.
  const google::protobuf::MessageLite* rest = nullptr;
  switch (proto.value_case()) {
    case onnx::TypeProto::kTensorType:
      type.type = take_tensor_type<TensorType>(*proto.mutable_tensor_type());
      rest = &proto.tensor_type();
      break;
    case onnx::TypeProto::kSparseTensorType:
      type.type = take_tensor_type<SparseTensorType>(*proto.mutable_sparse_tensor_type());
      rest = &proto.sparse_tensor_type();
      break;
    case onnx::TypeProto::kSequenceType:
      type.type = take_container_type<SequenceType>(*proto.mutable_sequence_type(), levels - 1);
      rest = &proto.sequence_type();
      break;
    case onnx::TypeProto::kOptionalType:
      type.type = take_container_type<OptionalType>(*proto.mutable_optional_type(), levels - 1);
      rest = &proto.optional_type();
      break;
    case onnx::TypeProto::kMapType:
      type.type = take_map_type(*proto.mutable_map_type(), levels - 1);
      rest = &proto.map_type();
      break;
    case onnx::TypeProto::kOpaqueType:
      type.type = take_opaque_type(*proto.mutable_opaque_type());
      rest = &proto.opaque_type();
      break;
    default:  // not said, or an alternative of a newer ONNX version: stays in `opaque`
      break;
  }
  if (rest != nullptr && rest->ByteSizeLong() == 0) proto.clear_value();
  type.denotation = std::move(*proto.mutable_denotation());
  proto.clear_denotation();
  type.opaque = bytes_of(proto);
  return type;
}

void put_type(const ValueType& type, onnx::TypeProto& proto) {
  merge_opaque(type.opaque, proto);
  std::visit(TypeWriter{proto}, type.type);
  if (!type.denotation.empty()) proto.set_denotation(type.denotation);
}

}  // namespace planish
