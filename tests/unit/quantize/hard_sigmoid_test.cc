#include "quantize/hard_sigmoid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "plan_queries.h"
#include "planish/runtime/session.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

using quantize_detail::GateReaders;
using quantize_detail::hard_sigmoid_form;
using quantize_detail::HardSigmoidForm;
using test::answer;
using test::decision;
using test::GraphBuilder;
using test::op_types;
using test::real;
using testing::Contains;
using testing::ElementsAre;
using testing::Not;

constexpr DType kFloat = DType::kFloat32;
constexpr float kSixth = 1.0F / 6;

struct Drawn {
  float alpha = 0;
  float beta = 0;
  TensorRange range = {};
  DType dtype = DType::kUInt8;
  GateReaders readers = GateReaders::kOthers;
};

Drawn draw(std::mt19937_64& random) {
  const auto pick = [&](auto values) { return values[random() % values.size()]; };
  std::uniform_real_distribution<float> log_width(-2, 5);
  Drawn drawn;
  drawn.alpha = pick(std::array{kSixth, 0.2F, 0.25F, 1.0F / 3, 1.0F});
  drawn.beta = pick(std::array{0.5F, 0.25F, 1.0F});
  drawn.range = {-std::exp2(log_width(random)), std::exp2(log_width(random))};
  drawn.dtype = pick(std::array{DType::kUInt8, DType::kInt8});
  drawn.readers =
      pick(std::array{GateReaders::kGateOnly, GateReaders::kGateAndProduct, GateReaders::kOthers});
  return drawn;
}

/// The part of the range in which values are told apart.
TensorRange told_apart(const Drawn& drawn) {
  const float zero_at = -drawn.beta / drawn.alpha;
  TensorRange range{std::min(drawn.range.min, zero_at), std::max(drawn.range.max, 0.0F)};
  if (drawn.readers != GateReaders::kOthers) range.min = zero_at;
  if (drawn.readers == GateReaders::kGateOnly)
    range.max = std::min(range.max, (1 - drawn.beta) / drawn.alpha);
  return range;
}

TEST(HardSigmoidForm, ComputesTheHardSigmoidOfEveryIntegerExactly) {
  constexpr std::uint64_t kSeed = 7;
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 500; ++round) {
    const Drawn drawn = draw(random);
    const auto form =
        hard_sigmoid_form(drawn.alpha, drawn.beta, drawn.range, drawn.dtype, drawn.readers);
    ASSERT_TRUE(form) << "seed " << kSeed << ", round " << round;
    const IntegerLimits limits = integer_limits(drawn.dtype);
    for (std::int32_t q = limits.min; q <= limits.max; ++q) {
      const std::int32_t p = std::clamp(q, form->bounds.min, form->bounds.max);
      const double x = real(q, form->input);
      const double y = std::clamp<double>(drawn.alpha * x + drawn.beta, 0, 1);
      // Both scales are rounded to float once, and n / beta is an integer for these betas.
      const double rounding = 2 * std::ldexp(1.0, -24) * (std::abs(drawn.alpha * x) + 1);
      ASSERT_NEAR(real(p, form->output), y, rounding)
          << "seed " << kSeed << ", round " << round << ", q " << q;
    }
  }
}

TEST(HardSigmoidForm, PutsEveryValueThatMattersAtMostHalfAStepOff) {
  constexpr std::uint64_t kSeed = 8;
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 500; ++round) {
    const Drawn drawn = draw(random);
    const auto form =
        hard_sigmoid_form(drawn.alpha, drawn.beta, drawn.range, drawn.dtype, drawn.readers);
    ASSERT_TRUE(form) << "seed " << kSeed << ", round " << round;
    const TensorRange range = told_apart(drawn);
    std::vector<float> values;
    for (int k = 0; k <= 100; ++k)
      values.push_back(range.min + (range.max - range.min) * static_cast<float>(k) / 100);
    const Tensor tensor = Tensor::of({101}, values);
    const std::vector<float> back = dequantize(quantize(tensor, form->input), form->input);
    for (std::size_t k = 0; k < values.size(); ++k) {
      // The quotient and the product are rounded to float.
      const double rounding = 4 * std::ldexp(1.0, -24) * std::abs(values[k]);
      ASSERT_LE(std::abs(back[k] - values[k]), form->input.scale / 2 + rounding)
          << "seed " << kSeed << ", round " << round << ", value " << values[k];
    }
  }
}

TEST(HardSigmoidForm, TakesTheFinestScaleAtWhichTheRangeFits) {
  constexpr std::uint64_t kSeed = 9;
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 500; ++round) {
    const Drawn drawn = draw(random);
    const auto form =
        hard_sigmoid_form(drawn.alpha, drawn.beta, drawn.range, drawn.dtype, drawn.readers);
    ASSERT_TRUE(form);
    const TensorRange range = told_apart(drawn);
    const double span = static_cast<double>(range.max) - range.min;
    const double zero_at = static_cast<double>(drawn.beta) / drawn.alpha;
    const double n = std::rint(zero_at / form->input.scale);
    if (n == 255) continue;  // no integer is left below the zero point
    // n + 1 steps to zero_at would not fit: both ends may each take half a step more.
    EXPECT_GE((n + 1) * span * (1 + 1e-6), zero_at * 254)
        << "seed " << kSeed << ", round " << round;
  }
}

TEST(HardSigmoidForm, HasNoneWithoutARiseOrForARangeOfManyTimesItsWidth) {
  const auto form = [](float alpha, float beta, float max) {
    return hard_sigmoid_form(alpha, beta, {-1, max}, DType::kUInt8, GateReaders::kOthers);
  };
  EXPECT_FALSE(form(0, 0.5F, 1));
  EXPECT_FALSE(form(-kSixth, 0.5F, 1));
  EXPECT_FALSE(form(kSixth, 0, 1));
  EXPECT_FALSE(form(kSixth, -0.5F, 1));
  EXPECT_FALSE(form(kSixth, 0.5F, 1000)) << "a step would be wider than the whole rise";
  EXPECT_TRUE(form(kSixth, 0.5F, 700));
}

/// x → Conv v (the identity) → HardSigmoid g, Mul(v, g) y: the HardSwish of x.
Model hard_swish_model() {
  return GraphBuilder()
      .input("x", kFloat, {1, 2, 16, 16})
      .initializer<float>("w", {2, 2, 1, 1}, {1, 0, 0, 1})
      .node("Conv", {"x", "w"}, {"v"}, {}, "conv")
      .value("v", kFloat, {1, 2, 16, 16})
      .node("HardSigmoid", {"v"}, {"g"}, {{"alpha", kSixth}}, "gate")
      .value("g", kFloat, {1, 2, 16, 16})
      .node("Mul", {"v", "g"}, {"y"}, {}, "product")
      .output("y", kFloat, {1, 2, 16, 16})
      .model();
}

CalibrationTable hard_swish_table() {
  CalibrationTable table;
  table.ranges = {{"x", {-5, 6}}, {"v", {-5, 6}}, {"g", {0, 1}}, {"y", {-0.375F, 6}}};
  return table;
}

struct Way {
  QuantizationFormat format = QuantizationFormat::kQdq;
  DType activation = DType::kUInt8;
};
const std::vector<Way> kWays{{QuantizationFormat::kQdq, DType::kUInt8},
                             {QuantizationFormat::kQdq, DType::kInt8},
                             {QuantizationFormat::kQOperator, DType::kUInt8},
                             {QuantizationFormat::kQOperator, DType::kInt8}};

QuantizationConfig config_of(const Way& way) {
  QuantizationConfig config;
  config.format = way.format;
  config.activation = way.activation;
  // CPUs that have kernels for the type, and whose sums do not saturate: weights stay exact.
  config.target = way.activation == DType::kInt8 ? Target::kArmDotprod : Target::kAvx512Vnni;
  return config;
}

TEST(HardSigmoid, BecomesAClampOfTheIntegersOfItsInput) {
  for (const Way& way : kWays) {
    const Model model = hard_swish_model();
    const QuantizationPlan plan = plan_quantization(model, hard_swish_table(), config_of(way));
    EXPECT_EQ(decision(plan, "gate").action, NodeAction::kReread) << to_string(plan);
    const TensorPlan& gate = *plan.find("g");
    ASSERT_TRUE(gate.clamp);
    EXPECT_EQ(gate.clamp->of, "v");
    EXPECT_FLOAT_EQ(gate.params[0].scale, plan.find("v")->params[0].scale / 6);
    const std::vector<std::string> ops = op_types(apply(plan, model));
    EXPECT_THAT(ops, Not(Contains("HardSigmoid")));
    EXPECT_EQ(std::ranges::count(ops, "Clip"), 1);
    EXPECT_EQ(std::ranges::count(ops, "QLinearMul"),
              way.format == QuantizationFormat::kQOperator ? 1 : 0);
  }
}

TEST(HardSigmoid, AnswersAsTheFloatModelDoesUpToTheSteps) {
  constexpr std::uint64_t kSeed = 3;
  const Tensor x = test::random_tensor({1, 2, 16, 16}, kSeed, -5.0F, 6.0F);
  const std::vector<float> expected = answer(hard_swish_model(), x);
  for (const Way& way : kWays) {
    const QuantizationPlan plan =
        plan_quantization(hard_swish_model(), hard_swish_table(), config_of(way));
    const std::vector<float> actual = answer(apply(plan, hard_swish_model()), x);
    // Half a step each where x, v and y are rounded; HardSwish is nowhere steeper than 1.5, and the
    // weights of the identity are exact. A thousandth for the roundings of the scales.
    const auto half_step = [&](const char* t) { return plan.find(t)->params[0].scale / 2; };
    const double bound = 1.001 * (1.5 * (half_step("x") + half_step("v")) + half_step("y"));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(actual[i], expected[i], bound) << "seed " << kSeed << ", element " << i;
    }
  }
}

TEST(HardSigmoid, NeedsNoClipWhenTheRangeEndsBeforeItDoes) {
  // Up to 1, HardSigmoid rises to 2/3: the integers end there as well.
  CalibrationTable table = hard_swish_table();
  table.ranges["v"] = {-5, 1};
  const Model model = hard_swish_model();
  const Model quantized = apply(plan_quantization(model, table, {}), model);
  EXPECT_THAT(op_types(quantized),
              ElementsAre("QuantizeLinear", "DequantizeLinear", "DequantizeLinear", "Conv",
                          "QuantizeLinear", "DequantizeLinear", "DequantizeLinear", "Mul",
                          "QuantizeLinear", "DequantizeLinear"));
}

TEST(HardSigmoid, OtherReadersKeepTheWholeRangeOfTheInput) {
  Model model = hard_swish_model();
  const auto lowest = [](const QuantizationPlan& plan) {
    const QuantizationParams& v = plan.find("v")->params[0];
    return real(integer_limits(v.dtype).min, v);
  };
  EXPECT_FLOAT_EQ(static_cast<float>(lowest(plan_quantization(model, hard_swish_table(), {}))), -3);
  model.graph.outputs.push_back({.name = "v", .type = model.graph.outputs[0].type});
  const QuantizationPlan plan = plan_quantization(model, hard_swish_table(), {});
  EXPECT_EQ(decision(plan, "gate").action, NodeAction::kReread);
  EXPECT_LE(lowest(plan), -5 + plan.find("v")->params[0].scale / 2);
}

TEST(HardSigmoid, ATensorThatOnlyItReadsIsNotDequantized) {
  // The gate of squeeze-and-excite.
  const Model model = GraphBuilder()
                          .input("x", kFloat, {1, 2, 4, 4})
                          .initializer("w1", test::random_tensor({2, 2, 1, 1}, 1))
                          .initializer("w2", test::random_tensor({2, 2, 1, 1}, 2))
                          .node("Conv", {"x", "w1"}, {"a"})
                          .value("a", kFloat, {1, 2, 4, 4})
                          .node("GlobalAveragePool", {"a"}, {"p"})
                          .value("p", kFloat, {1, 2, 1, 1})
                          .node("Conv", {"p", "w2"}, {"s"})
                          .value("s", kFloat, {1, 2, 1, 1})
                          .node("HardSigmoid", {"s"}, {"g"}, {{"alpha", kSixth}}, "gate")
                          .value("g", kFloat, {1, 2, 1, 1})
                          .node("Mul", {"a", "g"}, {"y"})
                          .output("y", kFloat, {1, 2, 4, 4})
                          .model();
  CalibrationTable table;
  for (const char* tensor : {"x", "a", "p", "s", "y"}) table.ranges[tensor] = {-4, 4};
  const QuantizationPlan plan = plan_quantization(model, table, {});
  EXPECT_EQ(decision(plan, "gate").action, NodeAction::kReread);
  const Model quantized = apply(plan, model);
  for (const Node& node : quantized.graph.nodes) {
    EXPECT_NE(node.output(0), "s_DequantizeLinear_Output");
  }
  EXPECT_NO_THROW(answer(quantized, test::random_tensor({1, 2, 4, 4}, 1)));
}

TEST(HardSigmoid, StaysFloatWhereTheChoicesExcludeItsScale) {
  const auto action = [](const QuantizationConfig& config, const Model& model) {
    return decision(plan_quantization(model, hard_swish_table(), config), "gate").action;
  };
  QuantizationConfig symmetric;
  symmetric.symmetric_activations = true;
  EXPECT_EQ(action(symmetric, hard_swish_model()), NodeAction::kLeave);
  QuantizationConfig restricted;
  restricted.restricted_zero_points = true;
  EXPECT_EQ(action(restricted, hard_swish_model()), NodeAction::kLeave);
  Model twice = hard_swish_model();
  Node second = twice.graph.nodes[1];
  second.name = "second";
  second.outputs = {"g2"};
  second.set_attribute("alpha", 0.2F);
  twice.graph.nodes.insert(twice.graph.nodes.begin() + 2, second);
  twice.graph.outputs.push_back({.name = "g2", .type = twice.graph.outputs[0].type});
  EXPECT_EQ(action({}, twice), NodeAction::kLeave);
  for (const Way& way : kWays) {
    const QuantizationConfig config = config_of(way);
    const QuantizationPlan plan = plan_quantization(twice, hard_swish_table(), config);
    EXPECT_NO_THROW(answer(apply(plan, twice), test::random_tensor({1, 2, 16, 16}, 1)));
  }
}

TEST(HardSigmoid, IsUnknownToTheParityProfile) {
  QuantizationConfig config;
  config.profile = QuantizationProfile::kOnnxRuntime132;
  const QuantizationPlan plan = plan_quantization(hard_swish_model(), hard_swish_table(), config);
  EXPECT_EQ(decision(plan, "gate").action, NodeAction::kLeave);
}

}  // namespace
}  // namespace planish
