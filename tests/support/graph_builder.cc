#include "support/graph_builder.h"

namespace planish::test {
namespace {

ValueInfo tensor_value(std::string name, DType dtype, Shape shape) {
  ValueInfo info;
  info.name = std::move(name);
  info.type.type = TensorType{dtype, std::move(shape)};
  return info;
}

}  // namespace

GraphBuilder::GraphBuilder(std::int64_t opset) {
  model_.graph.name = "test";
  model_.set_opset("", opset);
}

GraphBuilder& GraphBuilder::opset(std::string domain, std::int64_t version) {
  model_.set_opset(domain, version);
  return *this;
}

GraphBuilder& GraphBuilder::input(std::string name, DType dtype, Shape shape) {
  model_.graph.inputs.push_back(tensor_value(std::move(name), dtype, std::move(shape)));
  return *this;
}

GraphBuilder& GraphBuilder::output(std::string name, DType dtype, Shape shape) {
  model_.graph.outputs.push_back(tensor_value(std::move(name), dtype, std::move(shape)));
  return *this;
}

GraphBuilder& GraphBuilder::value(std::string name, DType dtype, Shape shape) {
  model_.graph.values.push_back(tensor_value(std::move(name), dtype, std::move(shape)));
  return *this;
}

GraphBuilder& GraphBuilder::untyped_output(std::string name) {
  ValueInfo info;
  info.name = std::move(name);
  model_.graph.outputs.push_back(std::move(info));
  return *this;
}

GraphBuilder& GraphBuilder::initializer(std::string name, Tensor value) {
  Initializer added;
  added.name = std::move(name);
  added.value = std::move(value);
  model_.graph.initializers.push_back(std::move(added));
  return *this;
}

GraphBuilder& GraphBuilder::node(std::string op_type, std::vector<std::string> inputs,
                                 std::vector<std::string> outputs, const Attributes& attributes,
                                 std::string name, std::string domain) {
  Node added;
  added.name =
      name.empty() ? op_type + "_" + std::to_string(model_.graph.nodes.size()) : std::move(name);
  added.op_type = std::move(op_type);
  added.inputs = std::move(inputs);
  added.outputs = std::move(outputs);
  added.domain = std::move(domain);
  for (const auto& [attribute, value] : attributes) added.set_attribute(attribute, value);
  model_.graph.nodes.push_back(std::move(added));
  return *this;
}

}  // namespace planish::test
