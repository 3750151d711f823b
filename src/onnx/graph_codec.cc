#include "onnx/graph_codec.h"

#include <utility>

#include "onnx/attribute_codec.h"
#include "onnx/tensor_codec.h"
#include "onnx/type_codec.h"
#include "planish/base/error.h"

namespace planish {
namespace {

template <typename T, typename Message, typename Take>
void take_into(std::vector<T>& values, google::protobuf::RepeatedPtrField<Message>& field,
               const Take& take) {
  values.reserve(static_cast<std::size_t>(field.size()));
  for (Message& message : field) values.push_back(take(message));
  field.Clear();
}

/// ONNX's own domain has two names; planish knows it by the empty one.
std::string take_domain(std::string& domain) {
  return domain == "ai.onnx" ? std::string() : std::move(domain);
}

ValueInfo take_value(onnx::ValueInfoProto& proto, std::size_t levels) {
  ValueInfo value;
  value.name = std::move(*proto.mutable_name());
  proto.clear_name();
  in_context("value '" + value.name + "'", [&] {
    if (proto.has_type()) value.type = take_type(*proto.mutable_type(), levels);
  });
  proto.clear_type();
  value.doc_string = std::move(*proto.mutable_doc_string());
  proto.clear_doc_string();
  value.metadata = take_metadata(*proto.mutable_metadata_props());
  value.opaque = bytes_of(proto);
  return value;
}

void put_value(const ValueInfo& value, onnx::ValueInfoProto& proto) {
  merge_opaque(value.opaque, proto);
  proto.set_name(value.name);
  if (value.type != ValueType()) put_type(value.type, *proto.mutable_type());
  if (!value.doc_string.empty()) proto.set_doc_string(value.doc_string);
  put_metadata(value.metadata, *proto.mutable_metadata_props());
}

Node take_node(onnx::NodeProto& proto, ExternalFiles& files, std::size_t levels) {
  Node node;
  node.op_type = std::move(*proto.mutable_op_type());
  node.name = std::move(*proto.mutable_name());
  node.domain = take_domain(*proto.mutable_domain());
  node.overload = std::move(*proto.mutable_overload());
  node.doc_string = std::move(*proto.mutable_doc_string());
  proto.clear_op_type();
  proto.clear_name();
  proto.clear_domain();
  proto.clear_overload();
  proto.clear_doc_string();
  node.inputs = take_strings(*proto.mutable_input());
  node.outputs = take_strings(*proto.mutable_output());
  node.metadata = take_metadata(*proto.mutable_metadata_props());
  if (proto.attribute_size() > 0) {
    in_context("node '" + node.name + "' (" + node.op_type + ")", [&] {
      take_into(node.attributes, *proto.mutable_attribute(),
                [&](auto& p) { return take_attribute(p, files, levels); });
    });
  }
  node.opaque = bytes_of(proto);
  return node;
}

void put_node(const Node& node, onnx::NodeProto& proto) {
  merge_opaque(node.opaque, proto);
  proto.set_op_type(node.op_type);
  put_strings(node.inputs, *proto.mutable_input());
  put_strings(node.outputs, *proto.mutable_output());
  if (!node.name.empty()) proto.set_name(node.name);
  if (!node.domain.empty()) proto.set_domain(node.domain);
  if (!node.overload.empty()) proto.set_overload(node.overload);
  if (!node.doc_string.empty()) proto.set_doc_string(node.doc_string);
  for (const Attribute& attribute : node.attributes) {
    put_attribute(attribute, *proto.add_attribute());
  }
  put_metadata(node.metadata, *proto.mutable_metadata_props());
}

QuantizationAnnotation take_annotation(onnx::TensorAnnotation& proto) {
  QuantizationAnnotation annotation;
  annotation.tensor_name = std::move(*proto.mutable_tensor_name());
  proto.clear_tensor_name();
  annotation.parameters = take_metadata(*proto.mutable_quant_parameter_tensor_names());
  annotation.opaque = bytes_of(proto);
  return annotation;
}

void put_annotation(const QuantizationAnnotation& annotation, onnx::TensorAnnotation& proto) {
  merge_opaque(annotation.opaque, proto);
  proto.set_tensor_name(annotation.tensor_name);
  put_metadata(annotation.parameters, *proto.mutable_quant_parameter_tensor_names());
}

OpsetImport take_opset(onnx::OperatorSetIdProto& proto) {
  OpsetImport import;
  import.domain = take_domain(*proto.mutable_domain());
  import.version = proto.version();
  proto.clear_domain();
  proto.clear_version();
  import.opaque = bytes_of(proto);
  return import;
}

void put_opset(const OpsetImport& import, onnx::OperatorSetIdProto& proto) {
  merge_opaque(import.opaque, proto);
  proto.set_domain(import.domain);
  proto.set_version(import.version);
}

Function take_function(onnx::FunctionProto& proto, ExternalFiles& files, std::size_t levels) {
  Function function;
  function.domain = take_domain(*proto.mutable_domain());
  function.name = std::move(*proto.mutable_name());
  function.overload = std::move(*proto.mutable_overload());
  function.doc_string = std::move(*proto.mutable_doc_string());
  proto.clear_domain();
  proto.clear_name();
  proto.clear_overload();
  proto.clear_doc_string();
  function.inputs = take_strings(*proto.mutable_input());
  function.outputs = take_strings(*proto.mutable_output());
  function.attribute_names = take_strings(*proto.mutable_attribute());
  in_context("function '" + function.name + "'", [&] {
    take_into(function.attributes, *proto.mutable_attribute_proto(),
              [&](auto& p) { return take_attribute(p, files, levels); });
    take_into(function.nodes, *proto.mutable_node(),
              [&](auto& p) { return take_node(p, files, levels); });
    take_into(function.values, *proto.mutable_value_info(),
              [&](auto& p) { return take_value(p, levels); });
  });
  take_into(function.opset_imports, *proto.mutable_opset_import(), take_opset);
  function.metadata = take_metadata(*proto.mutable_metadata_props());
  function.opaque = bytes_of(proto);
  return function;
}

void put_function(const Function& function, onnx::FunctionProto& proto) {
  merge_opaque(function.opaque, proto);
  proto.set_domain(function.domain);
  proto.set_name(function.name);
  if (!function.overload.empty()) proto.set_overload(function.overload);
  put_strings(function.inputs, *proto.mutable_input());
  put_strings(function.outputs, *proto.mutable_output());
  put_strings(function.attribute_names, *proto.mutable_attribute());
  for (const Attribute& a : function.attributes) put_attribute(a, *proto.add_attribute_proto());
  for (const Node& node : function.nodes) put_node(node, *proto.add_node());
  for (const ValueInfo& value : function.values) put_value(value, *proto.add_value_info());
  for (const OpsetImport& import : function.opset_imports) {
    put_opset(import, *proto.add_opset_import());
  }
  if (!function.doc_string.empty()) proto.set_doc_string(function.doc_string);
  put_metadata(function.metadata, *proto.mutable_metadata_props());
}

}  // namespace

Graph take_graph(onnx::GraphProto& proto, ExternalFiles& files, std::size_t levels) {
  if (levels == 0) throw Error(ErrorCode::kCorrupt, "graphs nest too deep");
  const auto value = [&](onnx::ValueInfoProto& p) { return take_value(p, levels); };
  Graph graph;
  graph.name = std::move(*proto.mutable_name());
  graph.doc_string = std::move(*proto.mutable_doc_string());
  proto.clear_name();
  proto.clear_doc_string();
  take_into(graph.nodes, *proto.mutable_node(),
            [&](auto& p) { return take_node(p, files, levels); });
  take_into(graph.inputs, *proto.mutable_input(), value);
  take_into(graph.outputs, *proto.mutable_output(), value);
  take_into(graph.values, *proto.mutable_value_info(), value);
  take_into(graph.initializers, *proto.mutable_initializer(),
            [&](auto& p) { return take_tensor(p, files); });
  take_into(graph.sparse_initializers, *proto.mutable_sparse_initializer(),
            [&](auto& p) { return take_sparse_tensor(p, files); });
  take_into(graph.quantization_annotations, *proto.mutable_quantization_annotation(),
            take_annotation);
  graph.metadata = take_metadata(*proto.mutable_metadata_props());
  graph.opaque = bytes_of(proto);
  return graph;
}

void put_graph(const Graph& graph, Initializers initializers, onnx::GraphProto& proto) {
  merge_opaque(graph.opaque, proto);
  proto.set_name(graph.name);
  if (!graph.doc_string.empty()) proto.set_doc_string(graph.doc_string);
  for (const Node& node : graph.nodes) put_node(node, *proto.add_node());
  for (const ValueInfo& value : graph.inputs) put_value(value, *proto.add_input());
  for (const ValueInfo& value : graph.outputs) put_value(value, *proto.add_output());
  for (const ValueInfo& value : graph.values) put_value(value, *proto.add_value_info());
  if (initializers == Initializers::kWritten) {
    for (const Initializer& tensor : graph.initializers)
      put_tensor(tensor, *proto.add_initializer());
  }
  for (const SparseInitializer& tensor : graph.sparse_initializers) {
    put_sparse_tensor(tensor, *proto.add_sparse_initializer());
  }
  for (const QuantizationAnnotation& annotation : graph.quantization_annotations) {
    put_annotation(annotation, *proto.add_quantization_annotation());
  }
  put_metadata(graph.metadata, *proto.mutable_metadata_props());
}

Model take_model(onnx::ModelProto& proto, ExternalFiles& files, std::size_t levels) {
  Model model;
  model.ir_version = proto.ir_version();
  model.producer_name = std::move(*proto.mutable_producer_name());
  model.producer_version = std::move(*proto.mutable_producer_version());
  model.domain = std::move(*proto.mutable_domain());
  model.model_version = proto.model_version();
  model.doc_string = std::move(*proto.mutable_doc_string());
  proto.clear_ir_version();
  proto.clear_producer_name();
  proto.clear_producer_version();
  proto.clear_domain();
  proto.clear_model_version();
  proto.clear_doc_string();
  take_into(model.opset_imports, *proto.mutable_opset_import(), take_opset);
  model.graph = take_graph(*proto.mutable_graph(), files, levels);
  proto.clear_graph();
  take_into(model.functions, *proto.mutable_functions(),
            [&](auto& p) { return take_function(p, files, levels); });
  model.metadata = take_metadata(*proto.mutable_metadata_props());
  model.opaque = bytes_of(proto);
  return model;
}

void put_model_head(const Model& model, onnx::ModelProto& proto) {
  merge_opaque(model.opaque, proto);
  proto.set_ir_version(model.ir_version);
  for (const OpsetImport& import : model.opset_imports)
    put_opset(import, *proto.add_opset_import());
  if (!model.producer_name.empty()) proto.set_producer_name(model.producer_name);
  if (!model.producer_version.empty()) proto.set_producer_version(model.producer_version);
  if (!model.domain.empty()) proto.set_domain(model.domain);
  if (model.model_version != 0) proto.set_model_version(model.model_version);
  if (!model.doc_string.empty()) proto.set_doc_string(model.doc_string);
  for (const Function& function : model.functions) put_function(function, *proto.add_functions());
  put_metadata(model.metadata, *proto.mutable_metadata_props());
}

}  // namespace planish
