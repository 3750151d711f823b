#include "onnx_schema.h"

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/text_format.h>

#include <stdexcept>

#include "planish/base/file.h"

namespace planish::test {
OnnxSchema::OnnxSchema() {
  google::protobuf::FileDescriptorSet files;
  if (!files.ParseFromString(read_file(PLANISH_ONNX_SCHEMA))) {
    throw std::runtime_error(PLANISH_ONNX_SCHEMA " is no set of file descriptors");
  }
  for (const auto& file : files.file()) pool_.BuildFile(file);
}

OnnxSchema& OnnxSchema::instance() {
  static OnnxSchema schema;
  return schema;
}

const google::protobuf::Descriptor* OnnxSchema::message(std::string_view name) const {
  return pool_.FindMessageTypeByName("onnx." + std::string(name));
}

std::unique_ptr<google::protobuf::Message> OnnxSchema::make(std::string_view name) {
  return std::unique_ptr<google::protobuf::Message>(factory_.GetPrototype(message(name))->New());
}

std::string OnnxSchema::from_text(std::string_view name, const std::string& text) {
  const auto proto = make(name);
  if (!google::protobuf::TextFormat::ParseFromString(text, proto.get())) {
    throw std::invalid_argument("not an onnx." + std::string(name) + ": " + text);
  }
  return proto->SerializeAsString();
}

std::string tensor_bytes(const std::string& text) {
  return OnnxSchema::instance().from_text("TensorProto", text);
}

std::string model_bytes(const std::string& text) {
  return OnnxSchema::instance().from_text("ModelProto", text);
}

std::string graph_model_bytes(const std::string& graph_text) {
  return model_bytes("ir_version: 8 opset_import { version: 17 } graph { " + graph_text + " }");
}

}  // namespace planish::test
