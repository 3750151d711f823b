// Profile best leaves what would cost more on integers than in float, and says why.
#include <gtest/gtest.h>

#include <algorithm>

#include "plan_queries.h"
#include "planish/quantize/fusion.h"
#include "planish/quantize/plan.h"
#include "planish/quantize/qdq_lint.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

using test::decision;
using test::GraphBuilder;

constexpr DType kFloat = DType::kFloat32;

QuantizationPlan plan_of(const Model& model, const QuantizationConfig& config = {}) {
  CalibrationTable table;
  for (const std::string& tensor : calibration_targets(model, config))
    table.ranges[tensor] = {-1.0F, 1.0F};
  return plan_quantization(model, table, config);
}

/// A residual stream as of a vision transformer: a convolution begins it, each branch reads it
/// normalized and adds floats to it.
Model residual_stream() {
  GraphBuilder builder;
  builder.input("x", kFloat, {1, 16, 4, 4})
      .initializer("w0", test::random_tensor({16, 16, 1, 1}, 1))
      .node("Conv", {"x", "w0"}, {"s0"}, {}, "conv")
      .value("s0", kFloat, {1, 16, 4, 4});
  for (int k = 0; k < 3; ++k) {
    const std::string n = std::to_string(k);
    builder.node("Tanh", {"s" + n}, {"t" + n}, {}, "tanh" + n)
        .value("t" + n, kFloat, {1, 16, 4, 4})
        .node("Add", {"s" + n, "t" + n}, {"s" + std::to_string(k + 1)}, {}, "add" + n);
    if (k < 2) builder.value("s" + std::to_string(k + 1), kFloat, {1, 16, 4, 4});
  }
  return builder.output("s3", kFloat, {1, 16, 4, 4}).model();
}

TEST(CostlyNodes, AnAdditionThatFloatsFeedAndReadStaysFloat) {
  const QuantizationPlan plan = plan_of(residual_stream());
  EXPECT_TRUE(decision(plan, "conv").quantized);
  for (const char* add : {"add0", "add1", "add2"}) {
    EXPECT_FALSE(decision(plan, add).quantized) << to_string(plan);
    EXPECT_EQ(decision(plan, add).code, LeaveReason::kCostsMore);
  }
  EXPECT_NE(decision(plan, "add2").reason.find("costs more"), std::string::npos);
}

TEST(CostlyNodes, IncludedByNameItIsTakenAllTheSame) {
  QuantizationConfig config;
  config.include_nodes = {"conv", "add0", "add1", "add2"};
  const QuantizationPlan plan = plan_of(residual_stream(), config);
  EXPECT_TRUE(decision(plan, "add2").quantized) << to_string(plan);
}

TEST(CostlyNodes, AnAdditionBetweenConvolutionsStaysOnIntegers) {
  const Model model = GraphBuilder()
                          .input("x", kFloat, {1, 16, 4, 4})
                          .initializer("w", test::random_tensor({16, 16, 1, 1}, 1))
                          .node("Conv", {"x", "w"}, {"a"}, {}, "conv1")
                          .value("a", kFloat, {1, 16, 4, 4})
                          .node("Add", {"a", "x"}, {"s"}, {}, "add")
                          .value("s", kFloat, {1, 16, 4, 4})
                          .node("Conv", {"s", "w"}, {"y"}, {}, "conv2")
                          .output("y", kFloat, {1, 16, 4, 4})
                          .model();
  EXPECT_TRUE(decision(plan_of(model), "add").quantized);
}

TEST(CostlyNodes, AClampIsNotLeftWhereNothingSaysWhatRangeItsInputHas) {
  // As calibration_targets() asks for them: what only a clamp reads is not observed.
  const Model model = GraphBuilder()
                          .input("x", kFloat, {1, 16, 4, 4})
                          .initializer("w", test::random_tensor({16, 16, 1, 1}, 1))
                          .node("Conv", {"x", "w"}, {"a"}, {}, "conv")
                          .value("a", kFloat, {1, 16, 4, 4})
                          .node("Relu", {"a"}, {"r"}, {}, "relu")
                          .output("r", kFloat, {1, 16, 4, 4})
                          .model();
  CalibrationTable table;
  table.ranges = {{"x", {-1, 1}}, {"r", {0, 1}}};
  const QuantizationPlan plan = plan_quantization(model, table, {});
  EXPECT_EQ(decision(plan, "relu").action, NodeAction::kAbsorb) << to_string(plan);
}

/// MatMul and the Add of a vector behind it: a Gemm, whose float bias keeps it float.
Model product_with_float_bias() {
  return GraphBuilder()
      .input("x", kFloat, {4, 8})
      .initializer("w", test::random_tensor({8, 3}, 1))
      .node("MatMul", {"x", "w"}, {"m"}, {}, "matmul")
      .value("m", kFloat, {4, 3})
      .initializer("b", test::random_tensor({3}, 2))
      .node("Add", {"m", "b"}, {"y"}, {}, "bias")
      .output("y", kFloat, {4, 3})
      .model();
}

TEST(UnfusedNodes, AProductThatWouldRunInFloatIsLeftWithTheObstacle) {
  const QuantizationPlan plan = plan_of(product_with_float_bias());
  const NodeDecision& matmul = decision(plan, "matmul");
  EXPECT_FALSE(matmul.quantized);
  EXPECT_EQ(matmul.code, LeaveReason::kNotFused);
  EXPECT_NE(matmul.reason.find(text_of(FusionObstacle::kInputIsFloat)), std::string::npos)
      << matmul.reason;
  EXPECT_FALSE(has_qdq(apply(plan, product_with_float_bias())));
  EXPECT_EQ(plan.config, QuantizationConfig{});  // what was asked for, not how it was met
}

TEST(UnfusedNodes, TheChoicesOfTheUserAreTakenAtTheirWord) {
  QuantizationConfig config;
  config.include_nodes = {"matmul"};
  EXPECT_TRUE(decision(plan_of(product_with_float_bias(), config), "matmul").quantized);
}

TEST(UnfusedNodes, WhatFusesIsNotTouched) {
  const Model model = GraphBuilder()
                          .input("x", kFloat, {4, 8})
                          .initializer("w", test::random_tensor({8, 3}, 1))
                          .initializer("b", test::random_tensor({3}, 2))
                          .node("Gemm", {"x", "w", "b"}, {"y"}, {}, "gemm")
                          .output("y", kFloat, {4, 3})
                          .model();
  EXPECT_TRUE(decision(plan_of(model), "gemm").quantized);
}

}  // namespace
}  // namespace planish
