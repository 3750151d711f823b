// The ONNX schema at run time: messages whose fields a test can enumerate, and messages from text.
//
// The schema file itself is read, not code generated from it, so what a newer schema adds is seen.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/message.h>

#include <memory>
#include <string>
#include <string_view>

namespace planish::test {

class OnnxSchema {
 public:
  /// The one that planish is built with.
  static OnnxSchema& instance();

  /// @param name without its package: "ModelProto".
  [[nodiscard]] const google::protobuf::Descriptor* message(std::string_view name) const;
  [[nodiscard]] std::unique_ptr<google::protobuf::Message> make(std::string_view name);
  /// A serialized message, given in protobuf's text format.
  [[nodiscard]] std::string from_text(std::string_view name, const std::string& text);

 private:
  OnnxSchema();
  google::protobuf::DescriptorPool pool_;
  google::protobuf::DynamicMessageFactory factory_;
};

/// A serialized onnx.TensorProto: tensor_bytes("dims: 2 data_type: 1 float_data: [1, 2]").
std::string tensor_bytes(const std::string& text);
/// A serialized onnx.ModelProto.
std::string model_bytes(const std::string& text);
/// The same with IR version 8 and opset 17, of the graph given as text.
std::string graph_model_bytes(const std::string& graph_text);

}  // namespace planish::test
