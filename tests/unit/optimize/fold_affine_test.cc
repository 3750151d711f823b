#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pass_testing.h"
#include "support/graph_builder.h"

namespace planish::test {
namespace {

using ::testing::ElementsAre;

/// gamma (1, 2), beta (10, 20), mean (3, 4), var (4, 16), epsilon 0: y = x * (1/2, 1/2) +
/// (10 - 3/2, 20 - 4/2), exact in float32.
GraphBuilder& with_batch_norm(GraphBuilder& builder, const std::string& data, Shape shape,
                              Attributes more = {}) {
  more.emplace_back("epsilon", 0.0F);
  return builder.initializer<float>("gamma", {2}, {1, 2})
      .initializer<float>("beta", {2}, {10, 20})
      .initializer<float>("mean", {2}, {3, 4})
      .initializer<float>("var", {2}, {4, 16})
      .node("BatchNormalization", {data, "gamma", "beta", "mean", "var"}, {"y"}, more)
      .output("y", DType::kFloat32, std::move(shape));
}

Model conv_and_batch_norm(const Attributes& batch_norm = {}, std::int64_t opset = 17) {
  GraphBuilder builder(opset);
  builder.input("x", DType::kFloat32, {"N", 1, 4, 4})
      .initializer<float>("w", {2, 1, 1, 1}, {2, 8})
      .initializer<float>("b", {2}, {1, 3})
      .node("Conv", {"x", "w", "b"}, {"c"});
  return with_batch_norm(builder, "c", {"N", 2, 4, 4}, batch_norm).model();
}

TEST(FoldBatchNorms, IntoWeightsAndBiasOfTheConv) {
  const Passed result = passed(fold_batch_norms, conv_and_batch_norm());
  EXPECT_THAT(ops_of(result.model), ElementsAre("Conv"));
  EXPECT_EQ(result.report.changes, 1U);
  EXPECT_THAT(floats_of(result.model, "w"), ElementsAre(1, 4));
  EXPECT_THAT(floats_of(result.model, "b"), ElementsAre(0.5 + 8.5, 1.5 + 18));
  EXPECT_THAT(result.model.graph.nodes[0].outputs, ElementsAre("y"));
}

TEST(FoldBatchNorms, AConvWithoutBiasGetsOne) {
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, {"N", 1, 4, 4})
      .initializer<float>("w", {2, 1, 1, 1}, {2, 8})
      .node("Conv", {"x", "w"}, {"c"});
  const Model model = passed(fold_batch_norms, with_batch_norm(builder, "c", {}).model()).model;
  ASSERT_THAT(ops_of(model), ElementsAre("Conv"));
  EXPECT_THAT(floats_of(model, model.graph.nodes[0].input(2)), ElementsAre(8.5, 18));
}

TEST(FoldBatchNorms, ChannelsOfAConvTransposeLieInAxisOneOfEachGroup) {
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, {"N", 2, 4, 4})
      .initializer<float>("w", {2, 1, 1, 2}, {2, 4, 6, 8})  // [C, M/group, 1, 2], group 2
      .node("ConvTranspose", {"x", "w"}, {"c"}, {{"group", std::int64_t{2}}});
  builder.initializer<float>("gamma", {2}, {1, 10})
      .initializer<float>("beta", {2}, {0, 0})
      .initializer<float>("mean", {2}, {0, 0})
      .initializer<float>("var", {2}, {1, 1})
      .node("BatchNormalization", {"c", "gamma", "beta", "mean", "var"}, {"y"}, {{"epsilon", 0.0F}})
      .output("y");
  const Model model = passed(fold_batch_norms, builder.model()).model;
  EXPECT_THAT(floats_of(model, "w"), ElementsAre(2, 4, 60, 80));
}

TEST(FoldBatchNorms, IntoGemmWithItsBeta) {
  for (const std::int64_t transposed : {0, 1}) {
    GraphBuilder builder;
    builder.input("x", DType::kFloat32, {"N", 2})
        .initializer<float>("w", {2, 2}, {2, 4, 6, 8})
        .initializer<float>("b", {1, 2}, {1, 3})
        .node("Gemm", {"x", "w", "b"}, {"g"}, {{"transB", transposed}, {"beta", 2.0F}});
    builder.initializer<float>("gamma", {2}, {1, 10})
        .initializer<float>("beta", {2}, {0, 0})
        .initializer<float>("mean", {2}, {0, 0})
        .initializer<float>("var", {2}, {1, 1})
        .node("BatchNormalization", {"g", "gamma", "beta", "mean", "var"}, {"y"},
              {{"epsilon", 0.0F}})
        .output("y");
    const Model model = passed(fold_batch_norms, builder.model()).model;
    ASSERT_THAT(ops_of(model), ElementsAre("Gemm"));
    EXPECT_THAT(floats_of(model, "w"),
                transposed != 0 ? ElementsAre(2, 4, 60, 80) : ElementsAre(2, 40, 6, 80));
    EXPECT_THAT(floats_of(model, "b"), ElementsAre(2, 60));
    EXPECT_EQ(model.graph.nodes[0].float_attribute("beta", 1), 1);
  }
}

Model matmul_and_batch_norm(const Shape& in, bool with_bias) {
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, in)
      .initializer<float>("w", {1, 2}, {2, 8})
      .initializer<float>("b", {2}, {1, 3})
      .node("MatMul", {"x", "w"}, {"m"});
  if (with_bias) builder.node("Add", {"b", "m"}, {"a"});
  return with_batch_norm(builder, with_bias ? "a" : "m", {}).model();
}

TEST(FoldBatchNorms, MatMulKeepsOneAddForTheBias) {
  for (const bool with_bias : {false, true}) {
    const Model model = passed(fold_batch_norms, matmul_and_batch_norm({"N", 1}, with_bias)).model;
    ASSERT_THAT(ops_of(model), ElementsAre("MatMul", "Add"));
    EXPECT_THAT(floats_of(model, "w"), ElementsAre(1, 4));
    const std::vector<float> bias = floats_of(model, model.graph.nodes[1].input(1));
    if (with_bias) {
      EXPECT_THAT(bias, ElementsAre(9, 19.5));
    } else {
      EXPECT_THAT(bias, ElementsAre(8.5, 18));
    }
  }
}

TEST(FoldBatchNorms, ChannelsOfABatchedMatMulAreNotAxisOneAndStay) {
  EXPECT_EQ(passed(fold_batch_norms, matmul_and_batch_norm({"N", 2, 1}, false)).report.changes, 0U);
}

TEST(FoldBatchNorms, TrainingIsRefused) {
  const Model model = conv_and_batch_norm({{"training_mode", std::int64_t{1}}});
  EXPECT_EQ(passed(fold_batch_norms, model).model, model);
}

TEST(FoldBatchNorms, EachPositionOnItsOwnIsRefused) {
  const Model model = conv_and_batch_norm({{"spatial", std::int64_t{0}}}, 8);
  EXPECT_EQ(passed(fold_batch_norms, model).model, model);
}

TEST(FoldBatchNorms, AConvWithOtherReadersStays) {
  Model model = conv_and_batch_norm();
  Node reader;
  reader.op_type = "Abs";
  reader.inputs = {"c"};
  reader.outputs = {"z"};
  model.graph.nodes.push_back(reader);
  EXPECT_EQ(passed(fold_batch_norms, model).report.changes, 0U);
}

TEST(FoldBatchNorms, AConvThatIsAGraphOutputStays) {
  Model model = conv_and_batch_norm();
  ValueInfo output;
  output.name = "c";
  model.graph.outputs.push_back(output);
  EXPECT_EQ(passed(fold_batch_norms, model).report.changes, 0U);
}

TEST(FoldBatchNorms, NegativeVarianceAndOverflowStay) {
  for (const float var : {-1.0F, 0.0F}) {
    Model model = conv_and_batch_norm();
    for (Initializer& i : model.graph.initializers) {
      if (i.name == "var") i.value = Tensor::of<float>({2}, {4, var});
    }
    EXPECT_EQ(passed(fold_batch_norms, model).model, model) << var;
  }
  Model model = conv_and_batch_norm();
  for (Initializer& i : model.graph.initializers) {
    if (i.name == "gamma") i.value = Tensor::of<float>({2}, {1, 3e38F});
  }
  EXPECT_EQ(passed(fold_batch_norms, model).model, model);
}

TEST(FoldBatchNorms, WeightsThatOthersReadAreCopied) {
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, {"N", 1, 4, 4})
      .initializer<float>("w", {2, 1, 1, 1}, {2, 8})
      .initializer<float>("b", {2}, {1, 3})
      .node("Conv", {"x", "w", "b"}, {"c"})
      .node("Conv", {"x", "w", "b"}, {"other"})
      .output("other");
  const Model model = passed(fold_batch_norms, with_batch_norm(builder, "c", {}).model()).model;
  ASSERT_THAT(ops_of(model), ElementsAre("Conv", "Conv"));
  EXPECT_THAT(floats_of(model, "w"), ElementsAre(2, 8));
  EXPECT_THAT(floats_of(model, "b"), ElementsAre(1, 3));
  EXPECT_THAT(floats_of(model, model.graph.nodes[0].input(1)), ElementsAre(1, 4));
  EXPECT_THAT(model.graph.nodes[1].inputs, ElementsAre("x", "w", "b"));
}

TEST(FoldBatchNorms, WeightsThatCallersMayOverrideStay) {
  Model model = conv_and_batch_norm();
  ValueInfo input;
  input.name = "w";
  model.graph.inputs.push_back(input);
  EXPECT_EQ(passed(fold_batch_norms, model).report.changes, 0U);
}

Model conv_and(const std::string& op, const std::string& constant, bool constant_first = false) {
  std::vector<std::string> inputs{"c", constant};
  if (constant_first) std::swap(inputs[0], inputs[1]);
  return GraphBuilder()
      .input("x", DType::kFloat32, {"N", 1, 4, 4})
      .initializer<float>("w", {2, 1, 1, 1}, {2, 8})
      .initializer<float>("b", {2}, {1, 3})
      .initializer<float>("by_channel", {2, 1, 1}, {2, 4})
      .initializer<float>("by_column", {4}, {1, 2, 3, 4})
      .initializer<float>("five_axes", {1, 1, 1, 1, 1}, {2})
      .initializer<float>("zero", {}, {0})
      .initializer<float>("two", {}, {2})
      .node("Conv", {"x", "w", "b"}, {"c"})
      .node(op, inputs, {"y"})
      .output("y")
      .model();
}

TEST(FoldScales, ArithmeticWithAConstantPerChannel) {
  const auto folded = [](const Model& model) { return passed(fold_scales, model).model; };
  const Model mul = folded(conv_and("Mul", "by_channel", true));
  EXPECT_THAT(ops_of(mul), ElementsAre("Conv"));
  EXPECT_THAT(floats_of(mul, "w"), ElementsAre(4, 32));
  EXPECT_THAT(floats_of(mul, "b"), ElementsAre(2, 12));
  const Model div = folded(conv_and("Div", "two"));
  EXPECT_THAT(floats_of(div, "w"), ElementsAre(1, 4));
  EXPECT_THAT(floats_of(folded(conv_and("Add", "by_channel")), "b"), ElementsAre(3, 7));
  EXPECT_THAT(floats_of(folded(conv_and("Sub", "by_channel")), "b"), ElementsAre(-1, -1));
  const Model reversed = folded(conv_and("Sub", "by_channel", true));
  EXPECT_THAT(floats_of(reversed, "w"), ElementsAre(-2, -8));
  EXPECT_THAT(floats_of(reversed, "b"), ElementsAre(1, 1));
}

TEST(FoldScales, WhatIsNoConstantPerChannelStays) {
  const auto stays = [](const Model& model) { return passed(fold_scales, model).model == model; };
  EXPECT_TRUE(stays(conv_and("Mul", "by_column")));
  EXPECT_TRUE(stays(conv_and("Mul", "five_axes")));  // gives the result another rank
  EXPECT_TRUE(stays(conv_and("Div", "two", true)));
  EXPECT_TRUE(stays(conv_and("Div", "zero")));
  EXPECT_TRUE(stays(conv_and("Add", "x")));
}

TEST(FoldScales, TheBiasOfAMatMulIsAsSimpleAsItGets) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {"N", 1})
                          .initializer<float>("w", {1, 2}, {2, 8})
                          .initializer<float>("b", {2}, {1, 3})
                          .node("MatMul", {"x", "w"}, {"m"})
                          .node("Add", {"m", "b"}, {"y"})
                          .output("y")
                          .model();
  EXPECT_EQ(passed(fold_scales, model).model, model);
}

TEST(FoldScales, AMatMulIsScaledWithoutABiasOfZeros) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {"N", 1})
                          .initializer<float>("w", {1, 2}, {2, 8})
                          .initializer<float>("s", {2}, {1, 3})
                          .node("MatMul", {"x", "w"}, {"m"})
                          .node("Mul", {"m", "s"}, {"y"})
                          .output("y")
                          .model();
  const Model result = passed(fold_scales, model).model;
  EXPECT_THAT(ops_of(result), ElementsAre("MatMul"));
  EXPECT_THAT(floats_of(result, "w"), ElementsAre(2, 24));
}

TEST(FoldScales, ChainsFoldCompletely) {
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, {"N", 1, 4, 4})
      .initializer<float>("w", {2, 1, 1, 1}, {2, 8})
      .initializer<float>("two", {}, {2})
      .node("Conv", {"x", "w"}, {"c"})
      .node("Mul", {"c", "two"}, {"m"})
      .node("Add", {"m", "two"}, {"a"})
      .node("Mul", {"a", "two"}, {"y"})
      .output("y");
  const Model result = passed(fold_scales, builder.model()).model;
  EXPECT_THAT(ops_of(result), ElementsAre("Conv"));
  EXPECT_THAT(floats_of(result, "w"), ElementsAre(8, 32));
  EXPECT_THAT(floats_of(result, result.graph.nodes[0].input(2)), ElementsAre(4, 4));
}

}  // namespace
}  // namespace planish::test
