#include "quantize/keep_floats.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "planish/quantize/plan.h"
#include "planish/runtime/session.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

using test::GraphBuilder;
using test::random_tensor;

/// Three convolutions in a row; the second, "left", has a clamp behind it.
Model convolutions() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {1, 4, 4, 4})
      .initializer("w1", random_tensor({4, 4, 1, 1}, 1))
      .initializer("w2", random_tensor({4, 2, 1, 1}, 2))
      .initializer("b2", random_tensor({4}, 3))
      .initializer("w3", random_tensor({4, 4, 1, 1}, 4))
      .node("Conv", {"x", "w1"}, {"first"}, {}, "before")
      .value("first", DType::kFloat32, {1, 4, 4, 4})
      .node("Conv", {"first", "w2", "b2"}, {"second"}, {{"group", std::int64_t{2}}}, "left")
      .value("second", DType::kFloat32, {1, 4, 4, 4})
      .node("Relu", {"second"}, {"clamped"}, {}, "clamp")
      .value("clamped", DType::kFloat32, {1, 4, 4, 4})
      .node("Conv", {"clamped", "w3"}, {"y"}, {}, "behind")
      .output("y", DType::kFloat32, {1, 4, 4, 4})
      .model();
}

/// Three Gemms in a row; the second is "left".
Model matrices() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {3, 8})
      .initializer("w1", random_tensor({8, 6}, 1))
      .initializer("w2", random_tensor({5, 6}, 2))
      .initializer("b2", random_tensor({5}, 3))
      .initializer("w3", random_tensor({5, 4}, 4))
      .node("Gemm", {"x", "w1"}, {"first"}, {}, "before")
      .value("first", DType::kFloat32, {3, 6})
      .node("Gemm", {"first", "w2", "b2"}, {"second"}, {{"transB", std::int64_t{1}}}, "left")
      .value("second", DType::kFloat32, {3, 5})
      .node("Gemm", {"second", "w3"}, {"y"}, {}, "behind")
      .output("y", DType::kFloat32, {3, 4})
      .model();
}

Model quantized(const Model& model, QuantizationConfig config) {
  config.exclude_nodes = {"left"};
  CalibrationTable table;
  for (const std::string& tensor : calibration_targets(model, config))
    table.ranges[tensor] = {-2.0F, 2.0F};
  return apply(plan_quantization(model, table, config), model);
}

/// Whether the runtime gives the node "left" a weight of integers.
bool becomes_integer(const Model& model) {
  const Model run = optimized_model(model, GraphOptimization::kBasic);
  const auto left = std::ranges::find(run.graph.nodes, "left", &Node::name);
  if (left == run.graph.nodes.end()) return true;
  return std::ranges::any_of(run.graph.nodes, [&](const Node& node) {
    return node.op_type == "DequantizeLinear" && node.output(0) == left->input(1);
  });
}

TEST(KeepFloats, LeavesNodesInFloatsThatTheRuntimeWouldQuantize) {
  for (const Model& model : {convolutions(), matrices()}) {
    for (const auto format : {QuantizationFormat::kQdq, QuantizationFormat::kQOperator}) {
      EXPECT_FALSE(becomes_integer(quantized(model, {.format = format}))) << name_of(format);
    }
    // Where this fails, the runtime has stopped doing so, and keep_floats() can go.
    EXPECT_TRUE(
        becomes_integer(quantized(model, {.profile = QuantizationProfile::kOnnxRuntime132})));
  }
}

TEST(KeepFloats, ChangesNoValue) {
  for (const Model& model : {convolutions(), matrices()}) {
    const Model kept = quantized(model, {});
    std::vector<std::int64_t> dims;
    for (const Dim& dim : model.graph.inputs.front().type.tensor()->shape.value())
      dims.push_back(*dim.number());
    const std::vector<NamedTensor> inputs{{"x", random_tensor(dims, 9)}};
    Model one_scale = kept;
    for (Node& node : one_scale.graph.nodes) {
      if (node.op_type != "DequantizeLinear" || !node.output(0).ends_with("_by_channel")) continue;
      for (std::string& input : node.inputs) {
        if (const auto end = input.rfind("_by_channel"); end != std::string::npos)
          input.resize(end);
      }
    }
    const SessionConfig as_written{.optimization = GraphOptimization::kNone};
    EXPECT_EQ(open_session(kept, as_written)->run(inputs),
              open_session(one_scale, as_written)->run(inputs));
  }
}

}  // namespace
}  // namespace planish
