// Quantization in and around the bodies of If, Loop and Scan.
#include "planish/graph/bodies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "planish/base/error.h"
#include "planish/quantize/plan.h"
#include "planish/quantize/retarget.h"
#include "planish/runtime/session.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr float kBound = 4.0F;  // of every value that the graphs below compute

std::vector<std::string> ops_in(const Graph& graph) {
  std::vector<std::string> ops;
  for (const Node& node : graph.nodes) ops.push_back(node.op_type);
  return ops;
}

/// y = a W, with W of the graph around or its own.
Box<Graph> product_with(const std::string& weight, const std::string& output) {
  GraphBuilder builder(17);
  if (weight == "own") builder.initializer("own", random_tensor({8, 4}, 5, -0.5F, 0.5F));
  return Box<Graph>(builder.node("MatMul", {"a", weight}, {output})
                        .output(output, DType::kFloat32, {"n", 4})
                        .graph());
}

/// relu(x V), then a product in a branch: with an outer weight, or one of the branch's own.
Model conditional() {
  return GraphBuilder(17)
      .input("c", DType::kBool, {})
      .input("x", DType::kFloat32, {"n", 8})
      .initializer("v", random_tensor({8, 8}, 3, -0.5F, 0.5F))
      .initializer("w", random_tensor({8, 4}, 4, -0.5F, 0.5F))
      .value("p", DType::kFloat32, {"n", 8})
      .value("a", DType::kFloat32, {"n", 8})
      .node("MatMul", {"x", "v"}, {"p"})
      .node("Relu", {"p"}, {"a"})
      .node("If", {"c"}, {"y"},
            {{"then_branch", product_with("w", "t")}, {"else_branch", product_with("own", "e")}})
      .output("y", DType::kFloat32, {"n", 4})
      .model();
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

/// Each of two products of 8 terms: the activation is off by at most half a step of 8/255, the
/// weight by half a step of 1/254 (its largest is 0.5); |a| <= 4, |w| <= 0.5. The error of the
/// first product reaches the second times 8 * 0.5.
void expect_near_the_float_model(const Model& quantized, const Model& model) {
  const float step = 8.0F / 255 / 2;
  const float one = 8 * (step * 0.5F + kBound / 254);
  for (const bool condition : {true, false}) {
    const std::vector<float> expected = run(model, condition);
    const std::vector<float> found = run(quantized, condition);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i)
      EXPECT_NEAR(found[i], expected[i], one + 8 * 0.5F * (one + step)) << condition << ' ' << i;
  }
}

QuantizationConfig config_of(QuantizationMode mode, QuantizationFormat format) {
  QuantizationConfig config;
  config.mode = mode;
  config.format = format;
  return config;
}

TEST(Bodies, AreCalibratedByNameToo) {
  EXPECT_THAT(calibration_targets(conditional(), {}), Contains("t"));
  EXPECT_THAT(calibration_targets(conditional(), {}), Contains("e"));
}

TEST(Bodies, AreQuantizedByTheRangesOfTheirValues) {
  const Model model = conditional();
  for (const QuantizationFormat format :
       {QuantizationFormat::kQdq, QuantizationFormat::kQOperator}) {
    const auto config = config_of(QuantizationMode::kStatic, format);
    const auto plan = plan_quantization(model, table_of({"x", "p", "a", "t", "e"}), config);
    ASSERT_EQ(plan.bodies.size(), 2U);
    const Model quantized = apply(plan, model);
    for (const BodyPlace& place : bodies_of(quantized.graph)) {
      const auto ops = ops_in(body_at(quantized.graph, place));
      EXPECT_THAT(
          ops, Contains(format == QuantizationFormat::kQdq ? "DequantizeLinear" : "QLinearMatMul"));
    }
    expect_near_the_float_model(quantized, model);
  }
}

TEST(Bodies, ThatNeverRanAreQuantizedDynamically) {
  const Model model = conditional();
  // Of the branch that was not taken nothing is known; "a" is read in it, but without ranges of its
  // own there is nothing to plan with.
  const auto plan = plan_quantization(
      model, table_of({"x", "p"}), config_of(QuantizationMode::kStatic, QuantizationFormat::kQdq));
  ASSERT_EQ(plan.bodies.size(), 2U);
  EXPECT_EQ(plan.bodies[0].plan.config.mode, QuantizationMode::kDynamic);
  expect_near_the_float_model(apply(plan, model), model);
}

TEST(Bodies, AreQuantizedInDynamicMode) {
  const Model model = conditional();
  const auto plan = plan_quantization(model, {}, config_of(QuantizationMode::kDynamic, {}));
  const Model quantized = apply(plan, model);
  for (const BodyPlace& place : bodies_of(quantized.graph))
    EXPECT_THAT(ops_in(body_at(quantized.graph, place)), Contains("MatMulInteger"));
  // The outer weight lives on as the branch's integers only.
  const auto& initializers = quantized.graph.initializers;
  EXPECT_EQ(std::ranges::count(initializers, "w", &Initializer::name), 0);
  expect_near_the_float_model(quantized, model);
}

TEST(Bodies, StayFloatUnderThePeersProfile) {
  auto config = config_of(QuantizationMode::kDynamic, {});
  config.profile = QuantizationProfile::kOnnxRuntime132;
  EXPECT_THAT(plan_quantization(conditional(), {}, config).bodies, IsEmpty());
}

TEST(Bodies, StayFloatWhenAskedTo) {
  auto config = config_of(QuantizationMode::kStatic, QuantizationFormat::kQdq);
  config.bodies = false;
  EXPECT_THAT(calibration_targets(conditional(), config), Not(Contains("t")));
  const auto plan = plan_quantization(conditional(), table_of({"x", "p", "a", "t", "e"}), config);
  EXPECT_THAT(plan.bodies, IsEmpty());
}

TEST(Bodies, HonourNodesThatAreLeftOutByName) {
  auto config = config_of(QuantizationMode::kDynamic, {});
  config.exclude_nodes = {"MatMul_0"};
  const Model model = conditional();
  const auto plan = plan_quantization(model, {}, config);
  ASSERT_EQ(plan.bodies.size(), 2U);
  EXPECT_EQ(plan.bodies[1].plan.nodes[0].code, LeaveReason::kExcluded);
  EXPECT_EQ(apply(plan, model).graph.nodes, model.graph.nodes);
}

TEST(Bodies, AreNamedByThePlan) {
  const auto plan = plan_quantization(conditional(), {}, config_of(QuantizationMode::kDynamic, {}));
  std::vector<std::string> places;
  for (const PlacedPlan& placed : plans_in(plan)) places.push_back(placed.in);
  EXPECT_THAT(places, ElementsAre("", "then_branch of If_2", "else_branch of If_2"));
  EXPECT_THAT(to_string(plan), HasSubstr("in else_branch of If_2, plan: dynamic, 1 nodes: 1 q"));
}

TEST(Bodies, InBodiesAreNamedFromTheInside) {
  QuantizationPlan inner{.nodes = {{.node = "", .op_type = "Loop"}}};
  inner.bodies.push_back({{0, "body", 0}, {}});
  QuantizationPlan plan{.nodes = {{.node = "choice", .op_type = "If"}}};
  plan.bodies.push_back({{0, "then_branch", 0}, inner});
  EXPECT_EQ(plans_in(plan).back().in, "body of Loop, then_branch of choice");
}

TEST(Bodies, MayHaveOverridesOfTheirTensors) {
  auto config = config_of(QuantizationMode::kStatic, QuantizationFormat::kQdq);
  config.weights = Granularity::kPerTensor;
  TensorOverride ours;
  ours.params = {{.scale = 0.5F, .zero_point = 0}};
  config.tensor_overrides = {{"own", ours}};
  const auto plan = plan_quantization(conditional(), table_of({"x", "p", "a", "t", "e"}), config);
  ASSERT_NE(plan.bodies[1].plan.find("own"), nullptr);
  EXPECT_EQ(plan.bodies[1].plan.find("own")->params.front().scale, 0.5F);
  config.tensor_overrides = {{"nowhere", ours}};
  EXPECT_THROW(plan_quantization(conditional(), table_of({"x", "p", "a", "t", "e"}), config),
               Error);
}

TEST(Bodies, AreLookedAtForQuantizedOperators) {
  EXPECT_FALSE(is_quantized(conditional()));
  auto config = config_of(QuantizationMode::kDynamic, {});
  config.include_nodes = {"inner"};
  Model model = conditional();
  for (const BodyPlace& place : bodies_of(model.graph))
    body_at(model.graph, place).nodes[0].name = "inner";
  const Model quantized = apply(plan_quantization(model, {}, config), model);
  EXPECT_THAT(ops_in(quantized.graph), ElementsAre("MatMul", "Relu", "If"));
  EXPECT_TRUE(is_quantized(quantized));
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
