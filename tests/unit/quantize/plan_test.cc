#include "planish/quantize/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "plan_queries.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/graph/graph_index.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

using test::decision;
using test::GraphBuilder;
using test::ints;
using test::op_types;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr DType kFloat = DType::kFloat32;

/// x → Conv a → Relu r → Conv b → Add(b, r) s → GlobalAveragePool g → Flatten f → Gemm y.
Model residual_model(std::int64_t opset = 17) {
  return GraphBuilder(opset)
      .input("x", kFloat, {1, 3, 8, 8})
      .initializer("w1", test::random_tensor({4, 3, 3, 3}, 1))
      .initializer("b1", test::random_tensor({4}, 2))
      .node("Conv", {"x", "w1", "b1"}, {"a"}, {{"pads", ints({1, 1, 1, 1})}}, "conv1")
      .value("a", kFloat, {1, 4, 8, 8})
      .node("Relu", {"a"}, {"r"}, {}, "relu")
      .value("r", kFloat, {1, 4, 8, 8})
      .initializer("w2", test::random_tensor({4, 4, 3, 3}, 3))
      .node("Conv", {"r", "w2"}, {"b"}, {{"pads", ints({1, 1, 1, 1})}}, "conv2")
      .value("b", kFloat, {1, 4, 8, 8})
      .node("Add", {"b", "r"}, {"s"}, {}, "add")
      .value("s", kFloat, {1, 4, 8, 8})
      .node("GlobalAveragePool", {"s"}, {"g"}, {}, "pool")
      .value("g", kFloat, {1, 4, 1, 1})
      .node("Flatten", {"g"}, {"f"}, {}, "flatten")
      .value("f", kFloat, {1, 4})
      .initializer("w3", test::random_tensor({4, 3}, 4))
      .initializer("b3", test::random_tensor({3}, 5))
      .node("Gemm", {"f", "w3", "b3"}, {"y"}, {}, "gemm")
      .output("y", kFloat, {1, 3})
      .model();
}

CalibrationTable table_for(const Model& model, const QuantizationConfig& config) {
  CalibrationTable table;
  for (const std::string& tensor : calibration_targets(model, config)) {
    table.ranges[tensor] = {tensor == "r" ? 0.0F : -1.0F, 1.0F};
  }
  return table;
}

QuantizationPlan plan_of(const Model& model, const QuantizationConfig& config = {}) {
  return plan_quantization(model, table_for(model, config), config);
}

TEST(Plan, TakesTheWholeOfAResidualNetworkAndDropsItsRelu) {
  const QuantizationPlan plan = plan_of(residual_model());
  for (const NodeDecision& node : plan.nodes) EXPECT_TRUE(node.quantized) << to_string(plan);
  EXPECT_EQ(decision(plan, "relu").action, NodeAction::kAbsorb);
  EXPECT_THAT(op_types(apply(plan, residual_model())), Not(Contains("Relu")));
}

TEST(Plan, LeavesTheLastProductToWriteFloats) {
  const QuantizationPlan plan = plan_of(residual_model());
  EXPECT_TRUE(decision(plan, "gemm").float_output);
  EXPECT_EQ(plan.find("y"), nullptr);
}

TEST(Plan, PutsOneScalePerOutputChannelOnWeights) {
  const QuantizationPlan plan = plan_of(residual_model());
  EXPECT_EQ(plan.find("w1")->params.size(), 4U);
  EXPECT_EQ(plan.find("w1")->axis, 0U);
  EXPECT_EQ(plan.find("w3")->params.size(), 3U);
  EXPECT_EQ(plan.find("w3")->axis, 1U);
}

TEST(Plan, SharesParametersThroughOperatorsThatMoveElements) {
  const QuantizationPlan plan = plan_of(residual_model());
  EXPECT_EQ(plan.find("f")->shares, "g");
}

TEST(Plan, FloatReadersOfAFloatValueReadItUnrounded) {
  // n, made by a node that is left, feeds a product and the residual branch around it.
  const Model model = GraphBuilder()
                          .input("x", kFloat, {1, 4})
                          .node("Tanh", {"x"}, {"n"})
                          .value("n", kFloat, {1, 4})
                          .initializer("w", test::random_tensor({4, 4}, 1))
                          .node("MatMul", {"n", "w"}, {"m"}, {}, "matmul")
                          .value("m", kFloat, {1, 4})
                          .node("Sub", {"m", "n"}, {"y"}, {}, "residual")
                          .output("y", kFloat, {1, 4})
                          .model();
  const Model quantized = apply(plan_of(model), model);
  const auto node = [&](std::string_view name) {
    return *std::ranges::find(quantized.graph.nodes, name, &Node::name);
  };
  EXPECT_EQ(node("residual").input(1), "n");
  EXPECT_EQ(node("matmul").input(0), "n_DequantizeLinear_Output");
}

TEST(Plan, IsAValueThatComparesAndPrints) {
  const QuantizationPlan plan = plan_of(residual_model());
  EXPECT_EQ(plan, plan_of(residual_model()));
  EXPECT_THAT(to_string(plan), HasSubstr("absorb Relu 'relu'"));
  EXPECT_THAT(to_json(plan).dump(), HasSubstr(R"("action":"absorb")"));
}

TEST(Plan, DoesNotDependOnAnythingButItsInputs) {
  const Model model = residual_model();
  const QuantizationPlan plan = plan_of(model);
  EXPECT_EQ(apply(plan, model), apply(plan, model));
  EXPECT_EQ(model, residual_model());
}

TEST(Plan, LeavesANodeWhoseRangeIsMissingAndSaysWhich) {
  const Model model = residual_model();
  CalibrationTable table = table_for(model, {});
  table.ranges.erase("s");
  const QuantizationPlan plan = plan_quantization(model, table, {});
  EXPECT_EQ(decision(plan, "add").code, LeaveReason::kNoRange);
  EXPECT_THAT(decision(plan, "add").reason, HasSubstr("'s'"));
  EXPECT_EQ(decision(plan, "conv2").action, NodeAction::kQuantize);
  // What follows is not fed any more; the product at the end quantizes its own input.
  EXPECT_EQ(decision(plan, "pool").code, LeaveReason::kNotFed);
  EXPECT_EQ(decision(plan, "flatten").code, LeaveReason::kNotFed);
  EXPECT_EQ(decision(plan, "gemm").action, NodeAction::kQuantize);
  EXPECT_NO_THROW(apply(plan, model));
}

TEST(Plan, ParityProfileRefusesAMissingRangeByName) {
  QuantizationConfig config;
  config.profile = QuantizationProfile::kOnnxRuntime132;
  CalibrationTable table = table_for(residual_model(), config);
  table.ranges.erase("s");
  try {
    plan_quantization(residual_model(), table, config);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("'s'"));
  }
}

TEST(Plan, HonoursTheUsersLists) {
  QuantizationConfig config;
  config.exclude_nodes = {"conv2"};
  EXPECT_EQ(decision(plan_of(residual_model(), config), "conv2").code, LeaveReason::kExcluded);
  config = {};
  config.op_types = {"Conv"};
  EXPECT_EQ(decision(plan_of(residual_model(), config), "gemm").code, LeaveReason::kNotSelected);
  config = {};
  config.include_nodes = {"conv1"};
  EXPECT_EQ(decision(plan_of(residual_model(), config), "conv2").code, LeaveReason::kExcluded);
}

TEST(Plan, KeepsAReluWhoseRangeDoesNotImplyIt) {
  const Model model = residual_model();
  CalibrationTable table = table_for(model, {});
  table.ranges["r"] = {-1.0F, 1.0F};
  EXPECT_EQ(decision(plan_quantization(model, table, {}), "relu").action, NodeAction::kQuantize);
}

TEST(Plan, AsksForNoRangeThatItDerives) {
  const std::vector<std::string> targets = calibration_targets(residual_model(), {});
  EXPECT_THAT(targets, ElementsAre("b", "g", "r", "s", "x", "y"));
}

TEST(Plan, ParityTargetsAreAllFloatValuesAroundItsOperators) {
  QuantizationConfig config;
  config.profile = QuantizationProfile::kOnnxRuntime132;
  EXPECT_THAT(calibration_targets(residual_model(), config),
              ElementsAre("a", "b", "f", "g", "r", "s", "x", "y"));
}

TEST(Plan, NamesTheOpsetThat16BitsNeed) {
  QuantizationConfig config;
  config.activation = DType::kUInt16;
  try {
    plan_of(residual_model(12), config);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("opset 12"), HasSubstr("21")));
  }
}

TEST(Plan, RaisesTheOpsetForScalesPerChannelOnly) {
  const Model model = residual_model(12);
  QuantizationConfig config;
  EXPECT_EQ(apply(plan_of(model, config), model).opset(), 13);
  config.weights = Granularity::kPerTensor;
  EXPECT_EQ(apply(plan_of(model, config), model).opset(), 12);
}

TEST(Plan, RefusesChoicesThatExcludeEachOther) {
  QuantizationConfig config;
  config.activation = DType::kInt8;
  config.weight = DType::kUInt8;
  EXPECT_THROW(plan_of(residual_model(), config), Error);
  config = {};
  config.activation = DType::kUInt16;
  config.format = QuantizationFormat::kQOperator;
  EXPECT_THROW(plan_of(residual_model(), config), Error);
  config = {};
  config.include_nodes = config.exclude_nodes = {"conv1"};
  EXPECT_THROW(plan_of(residual_model(), config), Error);
}

TEST(Plan, LeavesIslandsOfMovementFloat) {
  const Model model = GraphBuilder()
                          .input("x", kFloat, {1, 3, 8, 8})
                          .node("Transpose", {"x"}, {"t"}, {}, "before")
                          .value("t", kFloat)
                          .initializer("w", test::random_tensor({4, 8, 1, 1}, 1))
                          .node("Conv", {"t", "w"}, {"a"}, {}, "conv")
                          .value("a", kFloat)
                          .node("Transpose", {"a"}, {"b"}, {}, "after")
                          .value("b", kFloat)
                          .node("Tanh", {"b"}, {"y"}, {}, "tanh")
                          .output("y", kFloat)
                          .model();
  const QuantizationPlan plan = plan_of(model);
  EXPECT_EQ(decision(plan, "before").code, LeaveReason::kNotFed);
  EXPECT_EQ(decision(plan, "after").code, LeaveReason::kNotRead);
  EXPECT_EQ(decision(plan, "tanh").code, LeaveReason::kNoRule);
}

TEST(Plan, LeavesProductsOfTwoActivationsAndNormalizationsFloat) {
  const Model model = GraphBuilder()
                          .input("x", kFloat, {1, 4, 4})
                          .node("MatMul", {"x", "x"}, {"a"}, {}, "attention")
                          .value("a", kFloat, {1, 4, 4})
                          .initializer("g", test::random_tensor({4}, 1))
                          .node("LayerNormalization", {"a", "g"}, {"n"}, {}, "norm")
                          .value("n", kFloat, {1, 4, 4})
                          .initializer("w", test::random_tensor({4, 4}, 2))
                          .node("MatMul", {"n", "w"}, {"y"}, {}, "project")
                          .output("y", kFloat, {1, 4, 4})
                          .model();
  const QuantizationPlan plan = plan_of(model);
  EXPECT_EQ(decision(plan, "attention").code, LeaveReason::kWeightNotConstant);
  EXPECT_EQ(decision(plan, "norm").code, LeaveReason::kNoIntegerKernel);
  EXPECT_TRUE(decision(plan, "project").quantized);
}

/// Two convolutions that read one bias.
Model shared_bias_model() {
  return GraphBuilder()
      .input("x", kFloat, {1, 4, 4, 4})
      .initializer("b", test::random_tensor({4}, 1))
      .initializer("w1", test::random_tensor({4, 4, 1, 1}, 2))
      .initializer("w2", test::random_tensor({4, 4, 1, 1}, 3))
      .node("Conv", {"x", "w1", "b"}, {"a"}, {}, "one")
      .value("a", kFloat, {1, 4, 4, 4})
      .node("Conv", {"a", "w2", "b"}, {"y"}, {}, "two")
      .output("y", kFloat, {1, 4, 4, 4})
      .model();
}

TEST(Plan, GivesEachReaderOfABiasItsOwn) {
  for (const QuantizationFormat format :
       {QuantizationFormat::kQdq, QuantizationFormat::kQOperator}) {
    QuantizationConfig config;
    config.format = format;
    const QuantizationPlan plan = plan_of(shared_bias_model(), config);
    ASSERT_EQ(plan.biases.size(), 2U);
    EXPECT_NE(plan.biases[0].copy, plan.biases[1].copy);
    const Model quantized = apply(plan, shared_bias_model());
    std::set<std::string> names;
    for (const Initializer& initializer : quantized.graph.initializers) {
      EXPECT_TRUE(names.insert(initializer.name).second) << initializer.name;
    }
  }
}

TEST(Plan, LeavesAConvolutionWhoseBiasIsComputed) {
  Model model = GraphBuilder()
                    .input("x", kFloat, {1, 4, 4, 4})
                    .initializer("b", test::random_tensor({4}, 1))
                    .initializer("w", test::random_tensor({4, 4, 1, 1}, 2))
                    .node("Identity", {"b"}, {"c"})
                    .value("c", kFloat, {4})
                    .node("Conv", {"x", "w", "c"}, {"y"}, {}, "conv")
                    .output("y", kFloat, {1, 4, 4, 4})
                    .model();
  EXPECT_EQ(decision(plan_of(model), "conv").code, LeaveReason::kBiasNotConstant);
}

TEST(Plan, NamesAWeightThatIsNotFinite) {
  Model model = shared_bias_model();
  std::vector<float> values(16, 1.0F);
  values[3] = std::numeric_limits<float>::quiet_NaN();
  model.graph.initializers[1].value = Tensor::of({4, 4, 1, 1}, values);
  try {
    plan_of(model);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("'w1'"));
  }
}

TEST(Plan, NamesAWeightWhoseChannelsHaveNoElements) {
  Model model = shared_bias_model();
  model.graph.initializers[1].value = Tensor::of({0, 4, 1, 1}, std::vector<float>{});
  EXPECT_NO_FATAL_FAILURE(static_cast<void>(plan_of(model)));
}

TEST(Apply, RefusesAPlanForAnotherModel) {
  const QuantizationPlan plan = plan_of(residual_model());
  try {
    apply(plan, shared_bias_model());
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  }
}

TEST(Apply, KeepsTheNamesAndTypesOfInputsAndOutputs) {
  for (const QuantizationFormat format :
       {QuantizationFormat::kQdq, QuantizationFormat::kQOperator}) {
    QuantizationConfig config;
    config.format = format;
    const Model model = residual_model();
    const Model quantized = apply(plan_of(model, config), model);
    EXPECT_EQ(quantized.graph.inputs, model.graph.inputs);
    EXPECT_EQ(quantized.graph.outputs, model.graph.outputs);
  }
}

TEST(Apply, LeavesNoFloatWeightBehind) {
  const Model quantized = apply(plan_of(residual_model()), residual_model());
  for (const Initializer& initializer : quantized.graph.initializers) {
    EXPECT_FALSE(initializer.value.rank() > 1 && initializer.value.dtype() == kFloat)
        << initializer.name;
  }
}

TEST(Apply, DynamicModeSplitsGemmAndNeedsNoRanges) {
  QuantizationConfig config;
  config.mode = QuantizationMode::kDynamic;
  EXPECT_TRUE(calibration_targets(residual_model(), config).empty());
  const QuantizationPlan plan = plan_quantization(residual_model(), {}, config);
  EXPECT_TRUE(decision(plan, "gemm").quantized);
  EXPECT_EQ(decision(plan, "conv1").code, LeaveReason::kNoIntegerKernel);
  const std::vector<std::string> types = op_types(apply(plan, residual_model()));
  EXPECT_THAT(types, Contains("MatMulInteger"));
  EXPECT_THAT(types, Contains("DynamicQuantizeLinear"));
  EXPECT_THAT(types, Contains("Conv"));
}

}  // namespace
}  // namespace planish
