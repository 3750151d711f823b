#include "quantize/graph_facts.h"

namespace planish::quantize_detail {

GraphFacts::GraphFacts(const Graph& graph) : graph_(&graph), index_(graph) {
  initializers_.reserve(graph.initializers.size());
  for (const Initializer& initializer : graph.initializers) {
    initializers_.emplace(initializer.name, &initializer);
  }
}

const Initializer* GraphFacts::constant(std::string_view name) const {
  const auto found = initializers_.find(name);
  return found == initializers_.end() ? nullptr : found->second;
}

const Tensor* GraphFacts::constant_value(std::string_view name) const {
  if (const Initializer* initializer = constant(name)) return &initializer->value;
  const Node* maker = producer(name);
  if (maker == nullptr || maker->op_type != "Constant") return nullptr;
  const Attribute* value = maker->find_attribute("value");
  const auto* boxed = value == nullptr ? nullptr : std::get_if<Box<Initializer>>(&value->value);
  return boxed == nullptr ? nullptr : &(*boxed)->value;
}

DType GraphFacts::dtype(std::string_view name) const {
  if (const Initializer* initializer = constant(name)) return initializer->value.dtype();
  const ValueType* type = index_.type(name);
  const TensorType* tensor = type == nullptr ? nullptr : type->tensor();
  return tensor == nullptr ? DType::kUndefined : tensor->dtype;
}

bool GraphFacts::is_float(std::string_view name) const {
  if (name.empty()) return false;
  const DType found = dtype(name);
  return found == DType::kFloat32 || found == DType::kFloat16;
}

bool GraphFacts::is_float_constant(std::string_view name) const {
  return constant(name) != nullptr && is_float(name);
}

const Node* GraphFacts::producer(std::string_view name) const {
  const auto found = index_.producer(name);
  return found ? &graph_->nodes[*found] : nullptr;
}

std::optional<std::size_t> normalized_axis(std::int64_t axis, std::size_t rank) {
  const std::int64_t from_front = axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis;
  if (from_front < 0 || from_front >= static_cast<std::int64_t>(rank)) return std::nullopt;
  return static_cast<std::size_t>(from_front);
}

}  // namespace planish::quantize_detail
