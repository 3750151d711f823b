#include "planish/runtime/value_types.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "planish/base/error.h"
#include "planish/runtime/session.h"

namespace planish {
namespace {

// Weights larger than this are not handed over. What inference reads from constants (shapes, axes,
// sizes, pads) is smaller.
constexpr std::size_t kMaxConstantBytes = 1024;

ValueType type_of(const Tensor& tensor) {
  Shape shape(tensor.dims().begin(), tensor.dims().end());
  return {.type = TensorType{.dtype = tensor.dtype(), .shape = std::move(shape)}};
}

bool carries_only_numbers(const Initializer& initializer) {
  return initializer.value.bytes().size() > kMaxConstantBytes;
}

std::unordered_set<std::string> names_of(const std::vector<ValueInfo>& values) {
  std::unordered_set<std::string> names;
  for (const ValueInfo& value : values) names.insert(value.name);
  return names;
}

// Large weights become inputs of the graph, of the same type.
void replace_weights(Graph& graph) {
  const auto inputs = names_of(graph.inputs);
  for (const Initializer& initializer : graph.initializers) {
    if (carries_only_numbers(initializer) && !inputs.contains(initializer.name)) {
      graph.inputs.push_back({.name = initializer.name, .type = type_of(initializer.value)});
    }
  }
  std::erase_if(graph.initializers, carries_only_numbers);
}

// Every value that a node makes becomes an output of the graph, whose type ONNX Runtime must know.
void show_values(Graph& graph) {
  auto outputs = names_of(graph.outputs);
  const auto inputs = names_of(graph.inputs);
  for (const Node& node : graph.nodes) {
    for (const std::string& name : node.outputs) {
      if (!name.empty() && !inputs.contains(name) && outputs.insert(name).second) {
        graph.outputs.push_back({.name = name});
      }
    }
  }
}

ValueTypes types_of(Model shown) {
  const Model inferred = optimized_model(std::move(shown), GraphOptimization::kNone);
  ValueTypes types;
  for (const ValueInfo& value : inferred.graph.outputs) {
    if (!std::holds_alternative<std::monostate>(value.type.type)) types[value.name] = value.type;
  }
  return types;
}

}  // namespace

ValueTypes infer_value_types(const Model& model) {
  Model shown = model;
  show_values(shown.graph);
  ValueTypes types = [&] {
    Model light = shown;
    replace_weights(light.graph);
    try {
      return types_of(std::move(light));
    } catch (const Error&) {
      // A few operators want a large constant to be one. If that is not it, this throws the same.
      return types_of(std::move(shown));
    }
  }();
  for (const ValueInfo& input : model.graph.inputs) types.try_emplace(input.name, input.type);
  for (const Initializer& initializer : model.graph.initializers) {
    types.try_emplace(initializer.name, type_of(initializer.value));
  }
  return types;
}

ValueTypes declared_value_types(const Model& model) { return declared_value_types(model.graph); }

ValueTypes declared_value_types(const Graph& graph) {
  ValueTypes types;
  for (const auto* list : {&graph.inputs, &graph.outputs, &graph.values}) {
    for (const ValueInfo& value : *list) types.emplace(value.name, value.type);
  }
  for (const Initializer& initializer : graph.initializers) {
    types.insert_or_assign(initializer.name, type_of(initializer.value));
  }
  return types;
}

}  // namespace planish
