#include "onnx/attribute_codec.h"

#include <utility>

#include "onnx/graph_codec.h"
#include "onnx/tensor_codec.h"
#include "onnx/type_codec.h"
#include "planish/base/error.h"

namespace planish {
namespace {

using Proto = onnx::AttributeProto;

/// Whether the attribute has a value. One that the file leaves out is the default of its type; but
/// an attribute that refers to one of the function around it (ref_attr_name) has none of its own.
bool has_value(const Proto& proto, bool in_field) {
  return in_field || proto.ref_attr_name().empty();
}

template <typename T, typename Message, typename Take>
std::vector<T> take_all(google::protobuf::RepeatedPtrField<Message>& field, const Take& take) {
  std::vector<T> values;
  values.reserve(static_cast<std::size_t>(field.size()));
  for (Message& message : field) values.push_back(take(message));
  field.Clear();
  return values;
}

/// Values that are numbers and strings.
Attribute::Value take_plain_value(Proto& proto) {
  switch (proto.type()) {
    case Proto::FLOAT:
      if (has_value(proto, proto.has_f())) return proto.f();
      break;
    case Proto::INT:
      if (has_value(proto, proto.has_i())) return std::int64_t{proto.i()};
      break;
    case Proto::STRING:
      if (has_value(proto, proto.has_s())) return std::move(*proto.mutable_s());
      break;
    case Proto::FLOATS:
      if (has_value(proto, proto.floats_size() > 0)) {
        return std::vector<float>(proto.floats().begin(), proto.floats().end());
      }
      break;
    case Proto::INTS:
      if (has_value(proto, proto.ints_size() > 0)) {
        return std::vector<std::int64_t>(proto.ints().begin(), proto.ints().end());
      }
      break;
    case Proto::STRINGS:
      if (has_value(proto, proto.strings_size() > 0)) {
        return take_strings(*proto.mutable_strings());
      }
      break;
    default:
      break;
  }
  return {};
}

/// Values that are messages.
Attribute::Value take_message_value(Proto& proto, ExternalFiles& files, std::size_t levels) {
  const auto tensor = [&](onnx::TensorProto& p) { return take_tensor(p, files); };
  const auto graph = [&](onnx::GraphProto& p) { return take_graph(p, files, levels - 1); };
  const auto sparse = [&](onnx::SparseTensorProto& p) { return take_sparse_tensor(p, files); };
  const auto type = [&](onnx::TypeProto& p) { return take_type(p, levels); };
  switch (proto.type()) {
    case Proto::TENSOR:
      if (proto.has_t()) return Box(tensor(*proto.mutable_t()));
      break;
    case Proto::GRAPH:
      if (proto.has_g()) return Box(graph(*proto.mutable_g()));
      break;
    case Proto::SPARSE_TENSOR:
      if (proto.has_sparse_tensor()) return Box(sparse(*proto.mutable_sparse_tensor()));
      break;
    case Proto::TYPE_PROTO:
      if (proto.has_tp()) return Box(type(*proto.mutable_tp()));
      break;
    case Proto::TENSORS:
      if (has_value(proto, proto.tensors_size() > 0)) {
        return take_all<Initializer>(*proto.mutable_tensors(), tensor);
      }
      break;
    case Proto::GRAPHS:
      if (has_value(proto, proto.graphs_size() > 0)) {
        return take_all<Graph>(*proto.mutable_graphs(), graph);
      }
      break;
    case Proto::SPARSE_TENSORS:
      if (has_value(proto, proto.sparse_tensors_size() > 0)) {
        return take_all<SparseInitializer>(*proto.mutable_sparse_tensors(), sparse);
      }
      break;
    case Proto::TYPE_PROTOS:
      if (has_value(proto, proto.type_protos_size() > 0)) {
        return take_all<ValueType>(*proto.mutable_type_protos(), type);
      }
      break;
    default:
      break;
  }
  return {};
}

/// Clears the field of the attribute's type, whose value was taken.
void clear_value(Proto& proto) {
  switch (proto.type()) {
    case Proto::FLOAT:
      proto.clear_f();
      break;
    case Proto::INT:
      proto.clear_i();
      break;
    case Proto::STRING:
      proto.clear_s();
      break;
    case Proto::TENSOR:
      proto.clear_t();
      break;
    case Proto::GRAPH:
      proto.clear_g();
      break;
    case Proto::SPARSE_TENSOR:
      proto.clear_sparse_tensor();
      break;
    case Proto::TYPE_PROTO:
      proto.clear_tp();
      break;
    case Proto::FLOATS:
      proto.clear_floats();
      break;
    case Proto::INTS:
      proto.clear_ints();
      break;
    case Proto::STRINGS:
      proto.clear_strings();
      break;
    case Proto::TENSORS:
      proto.clear_tensors();
      break;
    case Proto::GRAPHS:
      proto.clear_graphs();
      break;
    case Proto::SPARSE_TENSORS:
      proto.clear_sparse_tensors();
      break;
    case Proto::TYPE_PROTOS:
      proto.clear_type_protos();
      break;
    case Proto::UNDEFINED:
      break;
  }
}

/// Writes a value and its type.
struct ValueWriter {
  Proto& proto;

  void operator()(std::monostate) const {}
  void operator()(float value) const {
    proto.set_type(Proto::FLOAT);
    proto.set_f(value);
  }
  void operator()(std::int64_t value) const {
    proto.set_type(Proto::INT);
    proto.set_i(value);
  }
  void operator()(const std::string& value) const {
    proto.set_type(Proto::STRING);
    proto.set_s(value);
  }
  void operator()(const Box<Initializer>& value) const {
    proto.set_type(Proto::TENSOR);
    put_tensor(*value, *proto.mutable_t());
  }
  void operator()(const Box<Graph>& value) const {
    proto.set_type(Proto::GRAPH);
    put_graph(*value, Initializers::kWritten, *proto.mutable_g());
  }
  void operator()(const Box<SparseInitializer>& value) const {
    proto.set_type(Proto::SPARSE_TENSOR);
    put_sparse_tensor(*value, *proto.mutable_sparse_tensor());
  }
  void operator()(const Box<ValueType>& value) const {
    proto.set_type(Proto::TYPE_PROTO);
    put_type(*value, *proto.mutable_tp());
  }
  void operator()(const std::vector<float>& values) const {
    proto.set_type(Proto::FLOATS);
    proto.mutable_floats()->Assign(values.begin(), values.end());
  }
  void operator()(const std::vector<std::int64_t>& values) const {
    proto.set_type(Proto::INTS);
    proto.mutable_ints()->Assign(values.begin(), values.end());
  }
  void operator()(const std::vector<std::string>& values) const {
    proto.set_type(Proto::STRINGS);
    put_strings(values, *proto.mutable_strings());
  }
  void operator()(const std::vector<Initializer>& values) const {
    proto.set_type(Proto::TENSORS);
    for (const Initializer& value : values) put_tensor(value, *proto.add_tensors());
  }
  void operator()(const std::vector<Graph>& values) const {
    proto.set_type(Proto::GRAPHS);
    for (const Graph& value : values) put_graph(value, Initializers::kWritten, *proto.add_graphs());
  }
  void operator()(const std::vector<SparseInitializer>& values) const {
    proto.set_type(Proto::SPARSE_TENSORS);
    for (const SparseInitializer& value : values) {
      put_sparse_tensor(value, *proto.add_sparse_tensors());
    }
  }
  void operator()(const std::vector<ValueType>& values) const {
    proto.set_type(Proto::TYPE_PROTOS);
    for (const ValueType& value : values) put_type(value, *proto.add_type_protos());
  }
};

}  // namespace

Attribute take_attribute(Proto& proto, ExternalFiles& files, std::size_t levels) {
  Attribute attribute;
  attribute.name = std::move(*proto.mutable_name());
  proto.clear_name();
  attribute.value = take_plain_value(proto);
  if (attribute.value.index() == 0) attribute.value = take_message_value(proto, files, levels);
  if (attribute.value.index() == 0)
    attribute.declared_type = proto.type();
  else
    clear_value(proto);
  proto.clear_type();
  attribute.ref_attr_name = std::move(*proto.mutable_ref_attr_name());
  proto.clear_ref_attr_name();
  attribute.doc_string = std::move(*proto.mutable_doc_string());
  proto.clear_doc_string();
  attribute.opaque = bytes_of(proto);
  return attribute;
}

void put_attribute(const Attribute& attribute, Proto& proto) {
  merge_opaque(attribute.opaque, proto);
  if (!attribute.name.empty()) proto.set_name(attribute.name);
  if (!attribute.doc_string.empty()) proto.set_doc_string(attribute.doc_string);
  if (!attribute.ref_attr_name.empty()) proto.set_ref_attr_name(attribute.ref_attr_name);
  if (onnx::AttributeProto_AttributeType_IsValid(attribute.declared_type) &&
      attribute.declared_type != Proto::UNDEFINED) {
    proto.set_type(static_cast<Proto::AttributeType>(attribute.declared_type));
  }
  std::visit(ValueWriter{proto}, attribute.value);  // its own type wins over declared_type
}

}  // namespace planish
