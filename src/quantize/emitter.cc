#include "quantize/emitter.h"

#include <algorithm>

#include "planish/graph/bodies.h"
#include "quantize/names.h"

namespace planish::quantize_detail {

Emitter::Emitter(Rewriter& rewriter) : rewriter_(rewriter) {
  for (const ValueInfo& input : rewriter.graph().inputs) {
    if (rewriter.constant(input.name) == nullptr) floats_.insert(input.name);
  }
  // A node that is left reads constants as they were; the peer's reads them dequantized.
  if (rewriter.plan().config.profile == QuantizationProfile::kOnnxRuntime132) return;
  for (const Initializer& constant : rewriter.graph().initializers) floats_.insert(constant.name);
}

const IntegerValue* Emitter::find(const std::string& value) const {
  const auto found = integers_.find(value);
  return found == integers_.end() ? nullptr : &found->second;
}

void Emitter::set(const std::string& value, IntegerValue integers) {
  integers_.insert_or_assign(value, std::move(integers));
}

void Emitter::emit(Node node) {
  floats_.insert(node.outputs.begin(), node.outputs.end());
  nodes_.push_back(std::move(node));
}

void Emitter::emit_left(Node node) {
  for (const std::string& input : node.inputs) dequantize(input);
  for (const Attribute& attribute : node.attributes) {
    const auto read = [&](const Graph& body) {
      for_each_outer_use(body, [&](const std::string& value) { dequantize(value); });
    };
    if (const auto* one = std::get_if<Box<Graph>>(&attribute.value)) read(**one);
    if (const auto* many = std::get_if<std::vector<Graph>>(&attribute.value))
      std::ranges::for_each(*many, read);
  }
  emit(std::move(node));
}

void Emitter::dequantize(const std::string& value) {
  const IntegerValue* found = find(value);
  if (found == nullptr || floats_.contains(value)) return;
  Node node = make_node("DequantizeLinear", {found->integers, found->scale, found->zero_point},
                        {value}, dq_node_name(value));
  if (found->axis) node.set_attribute("axis", *found->axis);
  emit(std::move(node));
}

void Emitter::finish() {
  for (const ValueInfo& output : rewriter_.graph().outputs) dequantize(output.name);
  rewriter_.graph().nodes = std::move(nodes_);
  Model& model = rewriter_.model();
  const bool uses_contrib = std::ranges::any_of(
      model.graph.nodes, [](const Node& node) { return node.domain == kContribDomain; });
  if (uses_contrib && model.opset(kContribDomain) == 0) model.set_opset(kContribDomain, 1);
}

std::vector<Attribute> sorted_attributes(const Node& of) {
  std::vector<Attribute> attributes = of.attributes;
  std::ranges::sort(attributes, {}, &Attribute::name);
  return attributes;
}

Node integer_node(const Node& of, std::string op_type, std::vector<std::string> inputs,
                  std::vector<std::string> outputs, std::string domain) {
  Node node = make_node(std::move(op_type), std::move(inputs), std::move(outputs),
                        quantized_node_name(of.name), std::move(domain));
  node.attributes = sorted_attributes(of);
  return node;
}

}  // namespace planish::quantize_detail
