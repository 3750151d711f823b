// Quantization in and around the bodies of If, Loop and Scan.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "planish/quantize/plan.h"
#include "planish/runtime/session.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish::test {
namespace {

using ::testing::Contains;

constexpr float kBound = 4.0F;  // of every value that the graphs below compute

std::vector<std::string> ops_in(const Graph& graph) {
  std::vector<std::string> ops;
  for (const Node& node : graph.nodes) ops.push_back(node.op_type);
  return ops;
}

CalibrationTable table_of(const std::vector<std::string>& tensors) {
  CalibrationTable table;
  for (const std::string& tensor : tensors) table.ranges[tensor] = {-kBound, kBound};
  return table;
}

std::vector<float> run(const Model& model, bool condition) {
  const std::vector<NamedTensor> inputs{{"c", Tensor::scalar(condition)},
                                        {"x", random_tensor({5, 8}, 9)}};
  return open_session(model)->run(inputs).front().to_floats();
}

QuantizationConfig config_of(QuantizationMode mode, QuantizationFormat format) {
  QuantizationConfig config;
  config.mode = mode;
  config.format = format;
  return config;
}

/// A value that only a body reads exists as integers in the QOperator format.
TEST(Bodies, ReadFloatsOfWhatIsIntegersAround) {
  const auto reads = [](const char* name) {
    return Box<Graph>(GraphBuilder(17)
                          .node("Exp", {"a"}, {name})
                          .output(name, DType::kFloat32, {"n", 8})
                          .graph());
  };
  const Model model =
      GraphBuilder(17)
          .input("c", DType::kBool, {})
          .input("x", DType::kFloat32, {"n", 8})
          .initializer("v", random_tensor({8, 8}, 3, -0.5F, 0.5F))
          .value("a", DType::kFloat32, {"n", 8})
          .node("MatMul", {"x", "v"}, {"a"})
          .node("If", {"c"}, {"y"}, {{"then_branch", reads("t")}, {"else_branch", reads("e")}})
          .output("y", DType::kFloat32, {"n", 8})
          .model();
  for (const auto profile : {QuantizationProfile::kBest, QuantizationProfile::kOnnxRuntime132}) {
    auto config = config_of(QuantizationMode::kStatic, QuantizationFormat::kQOperator);
    config.profile = profile;
    config.reduce_range = true;  // the peer's sums of products saturate on AVX2 otherwise
    const Model quantized = apply(plan_quantization(model, table_of({"x", "a"}), config), model);
    EXPECT_THAT(ops_in(quantized.graph), Contains("QLinearMatMul"));
    const std::vector<float> expected = run(model, true);
    const std::vector<float> found = run(quantized, true);
    // 8 products of |x| <= 1, off by half a step of 8/255, and |v| <= 0.5, off by half a step of
    // 0.5/64; the sum is rounded to the steps of "a"; e^a grows by e^error.
    const float error = 8 * (8.0F / 255 / 2 * 0.5F + 0.5F / 64 / 2) + 8.0F / 255 / 2;
    for (std::size_t i = 0; i < found.size(); ++i)
      EXPECT_LE(std::abs(std::log(found[i]) - std::log(expected[i])), error) << i;
  }
}

}  // namespace
}  // namespace planish::test
