// What tests of passes ask of a model.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "planish/graph/model.h"
#include "planish/optimize/passes.h"

namespace planish::test {

inline std::vector<std::string> ops_of(const Model& model) {
  std::vector<std::string> ops;
  for (const Node& node : model.graph.nodes) ops.push_back(node.op_type);
  return ops;
}

/// The initializer of that name; null when there is none.
inline const Tensor* initializer(const Model& model, const std::string& name) {
  const auto found = std::ranges::find(model.graph.initializers, name, &Initializer::name);
  return found == model.graph.initializers.end() ? nullptr : &found->value;
}

inline std::vector<float> floats_of(const Model& model, const std::string& name) {
  const Tensor* tensor = initializer(model, name);
  return tensor == nullptr ? std::vector<float>() : tensor->to_floats();
}

inline std::vector<std::int64_t> ints_of(const Model& model, const std::string& name) {
  const Tensor* tensor = initializer(model, name);
  return tensor == nullptr ? std::vector<std::int64_t>() : tensor->to_ints();
}

/// The model after `pass`, and what it said.
struct Passed {
  Model model;
  PassReport report;
};
inline Passed passed(PassFunction pass, Model model, const OptimizeConfig& config = {}) {
  PassReport report = pass(model, config);
  return {std::move(model), std::move(report)};
}

}  // namespace planish::test
