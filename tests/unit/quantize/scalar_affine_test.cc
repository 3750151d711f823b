#include "quantize/scalar_affine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "plan_queries.h"
#include "planish/runtime/session.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

using quantize_detail::scalar_affine_form;
using quantize_detail::ScalarAffineForm;
using test::answer;
using test::decision;
using test::GraphBuilder;
using test::ints;
using test::op_types;
using test::real;
using testing::Contains;
using testing::Not;

constexpr DType kFloat = DType::kFloat32;
constexpr std::array kFormats{QuantizationFormat::kQdq, QuantizationFormat::kQOperator};

TEST(ScalarAffineForm, TheSameIntegersStandForBothValues) {
  constexpr std::uint64_t kSeed = 1;
  std::mt19937_64 random(kSeed);
  std::uniform_real_distribution<double> exponent(-4, 4);
  int found = 0;
  for (int k = 0; k < 2000; ++k) {
    const double c = std::exp2(exponent(random));
    const double d = std::exp2(exponent(random)) * (random() % 2 == 0 ? 1 : -1);
    const TensorRange range{static_cast<float>(-std::exp2(exponent(random))),
                            static_cast<float>(std::exp2(exponent(random)))};
    const DType dtype = random() % 2 == 0 ? DType::kUInt8 : DType::kInt8;
    const auto form = scalar_affine_form(c, d, range, dtype);
    if (!form) continue;
    ++found;
    const IntegerLimits limits = integer_limits(dtype);
    // Both zeros are integers of the type: what pads a convolution is exact.
    EXPECT_GE(form->output.zero_point, limits.min);
    EXPECT_LE(form->output.zero_point, limits.max);
    for (const std::int32_t q : {limits.min, form->input.zero_point, limits.max}) {
      // A few roundings of float32 of terms no greater than these.
      const double bound = 4e-7 * (c * std::abs(real(q, form->input)) + std::abs(d) + 1e-3);
      EXPECT_NEAR(real(q, form->output), c * real(q, form->input) + d, bound)
          << "seed " << kSeed << ", draw " << k;
    }
    // The last half step rounds into the range.
    EXPECT_LE(real(limits.min, form->input), range.min + 0.5001 * form->input.scale);
    EXPECT_GE(real(limits.max, form->input), range.max - 0.5001 * form->input.scale);
  }
  EXPECT_GT(found, 500);
}

TEST(ScalarAffineForm, IsRefusedWhereTheStepsWouldBeTooCoarse) {
  EXPECT_TRUE(scalar_affine_form(1, -0.5, {-0.4F, 4.0F}, DType::kUInt8));
  // Below one step of the range; and far outside of it.
  EXPECT_FALSE(scalar_affine_form(1, -0.001, {-0.4F, 4.0F}, DType::kUInt8));
  EXPECT_FALSE(scalar_affine_form(1, 40, {-0.4F, 4.0F}, DType::kUInt8));
  EXPECT_FALSE(scalar_affine_form(-1, 1, {-0.4F, 4.0F}, DType::kUInt8));
  EXPECT_FALSE(scalar_affine_form(1, 0, {-0.4F, 4.0F}, DType::kUInt8));
}

/// x → Conv v → Mul(v, 0.75) m → Add(m, -0.5) a → Conv that pads: a learnt scale and shift.
Model scale_and_shift() {
  return GraphBuilder()
      .input("x", kFloat, {1, 2, 8, 8})
      .initializer<float>("w1", {2, 2, 1, 1}, {1, 0, 0, 1})
      .node("Conv", {"x", "w1"}, {"v"}, {}, "first")
      .value("v", kFloat, {1, 2, 8, 8})
      .initializer("c", Tensor::scalar(0.75F))
      .node("Mul", {"c", "v"}, {"m"}, {}, "scale")
      .value("m", kFloat, {1, 2, 8, 8})
      .initializer<float>("d", {1}, {-0.5F})
      .node("Add", {"m", "d"}, {"a"}, {}, "shift")
      .value("a", kFloat, {1, 2, 8, 8})
      .initializer("w2", Tensor::of({1, 2, 3, 3}, std::vector<float>(18, 0.125F)))
      .node("Conv", {"a", "w2"}, {"y"}, {{"pads", ints({1, 1, 1, 1})}}, "second")
      .output("y", kFloat, {1, 1, 8, 8})
      .model();
}

CalibrationTable table() {
  CalibrationTable result;
  result.ranges["x"] = result.ranges["v"] = {-4, 4};
  result.ranges["m"] = {-3, 3};
  result.ranges["a"] = {-3.5F, 2.5F};
  result.ranges["y"] = {-8, 8};
  return result;
}

QuantizationConfig config_of(QuantizationFormat format) {
  QuantizationConfig config;
  config.format = format;
  config.target = Target::kAvx2;  // no sum saturates, on whatever CPU this runs
  return config;
}

TEST(ScalarAffine, ScaleAndShiftAreTheIntegersOfTheirInput) {
  for (const QuantizationFormat format : kFormats) {
    const Model model = scale_and_shift();
    const QuantizationPlan plan = plan_quantization(model, table(), config_of(format));
    EXPECT_EQ(decision(plan, "scale").action, NodeAction::kReread) << to_string(plan);
    EXPECT_EQ(decision(plan, "shift").action, NodeAction::kReread);
    const std::vector<std::string> ops = op_types(apply(plan, model));
    for (const char* gone : {"Mul", "Add", "Clip", "QLinearMul", "QLinearAdd"})
      EXPECT_THAT(ops, Not(Contains(gone)));
    // In QDQ: of x and w1, of v as a, of w2 and of y; in QOperator of y.
    const int dequantizers = format == QuantizationFormat::kQdq ? 5 : 1;
    EXPECT_EQ(std::ranges::count(ops, "DequantizeLinear"), dequantizers);
  }
}

TEST(ScalarAffine, AnswersAsTheFloatModelDoesUpToTheSteps) {
  constexpr std::uint64_t kSeed = 5;
  const Tensor x = test::random_tensor({1, 2, 8, 8}, kSeed, -4.0F, 4.0F);
  const std::vector<float> expected = answer(scale_and_shift(), x);
  for (const QuantizationFormat format : kFormats) {
    const QuantizationPlan plan = plan_quantization(scale_and_shift(), table(), config_of(format));
    const std::vector<float> actual = answer(apply(plan, scale_and_shift()), x);
    const auto half_step = [&](const char* t) { return plan.find(t)->params[0].scale / 2; };
    // x, the two weights of each row of the identity (of values up to 4) and v are rounded, and go
    // 0.75 times into 18 products of an eighth; so are those 18 weights, of values up to 3.5; and
    // y. A hundredth for the roundings of the scales, and for values half a step beyond their
    // range.
    const double before = half_step("x") + 2 * 4 * half_step("w1") + half_step("v");
    const double bound =
        1.01 * (18 * 0.125 * 0.75 * before + 18 * 3.5 * half_step("w2") + half_step("y"));
    for (std::size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(actual[i], expected[i], bound) << "seed " << kSeed << ", element " << i;
  }
}

TEST(ScalarAffine, OperatorsStayWhereAClampFollowsOrTheChoicesForbidIt) {
  Model clamped = scale_and_shift();
  const Node relu{.op_type = "Relu", .inputs = {"a"}, .outputs = {"r"}, .name = "relu"};
  clamped.graph.nodes.insert(clamped.graph.nodes.begin() + 3, relu);
  clamped.graph.nodes.back().inputs[0] = "r";
  ValueInfo r = *std::ranges::find(clamped.graph.values, "a", &ValueInfo::name);
  r.name = "r";
  clamped.graph.values.push_back(r);
  CalibrationTable ranges = table();
  ranges.ranges["r"] = {0, 2.5F};
  QuantizationConfig symmetric;
  symmetric.symmetric_activations = true;
  for (const QuantizationFormat format : kFormats) {
    const QuantizationPlan plan = plan_quantization(clamped, ranges, config_of(format));
    EXPECT_EQ(decision(plan, "shift").action, NodeAction::kQuantize) << to_string(plan);
    EXPECT_NO_THROW(answer(apply(plan, clamped), test::random_tensor({1, 2, 8, 8}, 1)));
    symmetric.format = format;
    const QuantizationPlan other = plan_quantization(scale_and_shift(), table(), symmetric);
    EXPECT_EQ(decision(other, "shift").action, NodeAction::kQuantize) << to_string(other);
  }
}

}  // namespace
}  // namespace planish
