// What the tests of plans ask a plan and the model that comes of it.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "planish/quantize/plan.h"
#include "planish/runtime/session.h"

namespace planish::test {

/// The decision about a node that is there.
inline const NodeDecision& decision(const QuantizationPlan& plan, std::string_view node) {
  return *std::ranges::find(plan.nodes, node, &NodeDecision::node);
}

inline std::vector<std::string> op_types(const Model& model) {
  std::vector<std::string> types;
  for (const Node& node : model.graph.nodes) types.push_back(node.op_type);
  return types;
}

/// The first output for the input "x", with no node optimized.
inline std::vector<float> answer(const Model& model, const Tensor& x) {
  const auto session = open_session(model, {.optimization = GraphOptimization::kNone});
  const std::vector<NamedTensor> inputs{{"x", x}};
  return session->run(inputs).at(0).to_floats();
}

/// The number that the integer `q` stands for.
inline double real(std::int32_t q, const QuantizationParams& params) {
  return static_cast<double>(params.scale) * (q - params.zero_point);
}

}  // namespace planish::test
