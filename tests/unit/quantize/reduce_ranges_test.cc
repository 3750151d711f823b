// A plan for a CPU whose sums saturate: which channels give up range, how much, and that the model
// then computes what every other CPU computes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "planish/base/json.h"
#include "planish/quantize/plan.h"
#include "planish/runtime/session.h"
#include "support/graph_builder.h"
#include "support/integer_kernels.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

using test::GraphBuilder;
using test::ints;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr DType kFloat = DType::kFloat32;

/// Weights in which neighbours are large and of one sign: what saturates most.
Tensor one_sided(std::vector<std::int64_t> dims, std::uint64_t seed) {
  return test::random_tensor(std::move(dims), seed, 0.2F, 1.0F);
}

/// x [1, 8, 6, 6] → Conv → Relu → grouped Conv → depthwise Conv → Conv → GlobalAveragePool →
/// Flatten → Gemm y [1, 5], with weights that saturate.
Model hostile_model() {
  return GraphBuilder()
      .input("x", kFloat, {1, 8, 6, 6})
      .initializer("w1", one_sided({16, 8, 3, 3}, 1))
      .initializer("b1", test::random_tensor({16}, 2))
      .node("Conv", {"x", "w1", "b1"}, {"a"}, {{"pads", ints({1, 1, 1, 1})}}, "conv")
      .value("a", kFloat, {1, 16, 6, 6})
      .node("Relu", {"a"}, {"r"}, {}, "relu")
      .value("r", kFloat, {1, 16, 6, 6})
      .initializer("w2", one_sided({16, 4, 3, 3}, 3))
      .node("Conv", {"r", "w2"}, {"g"}, {{"pads", ints({1, 1, 1, 1})}, {"group", 4}}, "grouped")
      .value("g", kFloat, {1, 16, 6, 6})
      .initializer("w3", one_sided({16, 1, 3, 3}, 4))
      .node("Conv", {"g", "w3"}, {"d"}, {{"group", 16}}, "depthwise")
      .value("d", kFloat, {1, 16, 4, 4})
      .initializer("w4", test::random_tensor({7, 16, 1, 1}, 5))
      .node("Conv", {"d", "w4"}, {"e"}, {}, "mixed")
      .value("e", kFloat, {1, 7, 4, 4})
      .node("GlobalAveragePool", {"e"}, {"p"}, {}, "pool")
      .value("p", kFloat, {1, 7, 1, 1})
      .node("Flatten", {"p"}, {"f"}, {}, "flatten")
      .value("f", kFloat, {1, 7})
      .initializer("w5", one_sided({5, 7}, 6))
      .initializer("b5", test::random_tensor({5}, 7))
      .node("Gemm", {"f", "w5", "b5"}, {"y"}, {{"transB", 1}}, "gemm")
      .output("y", kFloat, {1, 5})
      .model();
}

/// Ranges as the model takes them: sums of up to 72 positive products, averaged.
CalibrationTable table_for(const Model& model, const QuantizationConfig& config) {
  CalibrationTable table;
  for (const std::string& tensor : calibration_targets(model, config)) {
    table.ranges[tensor] = {0.0F, tensor == "x" ? 1.0F : 100.0F};
  }
  return table;
}

QuantizationPlan plan_for(Target target, QuantizationConfig config = {}) {
  config.target = target;
  const Model model = hostile_model();
  return plan_quantization(model, table_for(model, config), config);
}

const RangeReduction* reduction_of(const QuantizationPlan& plan, std::string_view node) {
  const auto found = std::ranges::find(plan.reductions, node, &RangeReduction::node);
  return found == plan.reductions.end() ? nullptr : &*found;
}

std::vector<float> run(const Model& model, const Tensor& x, bool exact) {
  SessionConfig config;
  // ONNX Runtime's own slow remedy: weights as u8, whose kernels multiply in 16 bits and add in 32.
  if (exact) config.entries = {{"session.x64quantprecision", "1"}};
  const NamedTensor input{"x", x};
  return open_session(model, config)->run(std::span(&input, 1))[0].to_floats();
}

TEST(ReduceRanges, TheReducedModelComputesTheSameWithAndWithoutSaturatingSums) {
  for (const QuantizationFormat format :
       {QuantizationFormat::kQdq, QuantizationFormat::kQOperator}) {
    for (const Granularity weights : {Granularity::kPerChannel, Granularity::kPerTensor}) {
      QuantizationConfig config;
      config.format = format;
      config.weights = weights;
      const Model model = apply(plan_for(Target::kAvx2, config), hostile_model());
      for (std::uint64_t seed = 0; seed < 5; ++seed) {
        SCOPED_TRACE(std::string(name_of(format)) + ", seed " + std::to_string(seed));
        const Tensor x = test::random_tensor({1, 8, 6, 6}, seed, 0.5F, 1.0F);
        EXPECT_EQ(run(model, x, false), run(model, x, true));
      }
    }
  }
}

TEST(ReduceRanges, WithoutThemTheSumsSaturateHere) {
  if (test::accumulation_here() == test::Accumulation::kExact) {
    GTEST_SKIP() << "this CPU adds products in 32 bits";
  }
  const Model model = apply(plan_for(Target::kAvx512Vnni), hostile_model());
  const Tensor x = test::random_tensor({1, 8, 6, 6}, 0, 0.5F, 1.0F);
  EXPECT_NE(run(model, x, false), run(model, x, true));
}

TEST(ReduceRanges, DynamicModelsComputeTheSameToo) {
  const Model model = GraphBuilder()
                          .input("x", kFloat, {3, 40})
                          .initializer("w", one_sided({40, 20}, 1))
                          .node("MatMul", {"x", "w"}, {"a"}, {}, "matmul")
                          .value("a", kFloat, {3, 20})
                          .initializer("v", one_sided({6, 20}, 2))
                          .node("Gemm", {"a", "v"}, {"y"}, {{"transB", 1}}, "gemm")
                          .output("y", kFloat, {3, 6})
                          .model();
  QuantizationConfig config;
  config.mode = QuantizationMode::kDynamic;
  const QuantizationPlan plan = plan_quantization(model, {}, config);
  EXPECT_THAT(plan.reductions, SizeIs(2));
  EXPECT_GT(totals_of(plan.reductions).reduced, 0U);
  const Tensor x = test::random_tensor({3, 40}, 3, 0.0F, 1.0F);
  const Model quantized = apply(plan, model);
  EXPECT_EQ(run(quantized, x, false), run(quantized, x, true));
}

TEST(ReduceRanges, NamesTheWeightsAtRiskAndLeavesDepthwiseOnesAlone) {
  const QuantizationPlan plan = plan_for(Target::kAvx2);
  EXPECT_THAT(plan.reductions, SizeIs(4));
  EXPECT_EQ(reduction_of(plan, "depthwise"), nullptr);
  EXPECT_EQ(reduction_of(plan, "conv")->channels, 16U);
  EXPECT_GT(reduction_of(plan, "conv")->reduced, 0U);
  EXPECT_GT(reduction_of(plan, "conv")->largest_ratio, 1.0F);
}

TEST(ReduceRanges, RaisesOnlyTheScalesThatMust) {
  const QuantizationPlan safe = plan_for(Target::kAvx2);
  const QuantizationPlan plain = plan_for(Target::kAvx512Vnni);
  for (const char* weight : {"w1", "w2", "w3", "w4", "w5"}) {
    const std::vector<QuantizationParams>& now = safe.find(weight)->params;
    const std::vector<QuantizationParams>& before = plain.find(weight)->params;
    ASSERT_EQ(now.size(), before.size());
    std::size_t raised = 0;
    for (std::size_t c = 0; c < now.size(); ++c) {
      EXPECT_GE(now[c].scale, before[c].scale);
      if (now[c].scale != before[c].scale) ++raised;
    }
    const auto entry = std::ranges::find(safe.reductions, weight, &RangeReduction::weight);
    EXPECT_EQ(raised, entry == safe.reductions.end() ? 0 : entry->reduced) << weight;
  }
}

TEST(ReduceRanges, BiasesFollowTheScalesOfTheirWeights) {
  for (const QuantizationFormat format :
       {QuantizationFormat::kQdq, QuantizationFormat::kQOperator}) {
    QuantizationConfig config;
    config.format = format;
    const QuantizationPlan plan = plan_for(Target::kAvx2, config);
    ASSERT_THAT(plan.biases, SizeIs(2));
    const float input_scale = plan.find("x")->params.front().scale;
    for (std::size_t c = 0; c < 16; ++c) {
      EXPECT_EQ(plan.biases[0].scales[c], input_scale * plan.find("w1")->params[c].scale);
    }
  }
}

TEST(ReduceRanges, DoNothingOnTargetsThatDoNotSaturate) {
  for (const TargetRow& row : kTargets) {
    QuantizationConfig config;
    config.activation = row.activation;
    EXPECT_EQ(plan_for(row.target, config).reductions.empty(), !row.u8s8_saturates) << row.name;
  }
}

TEST(ReduceRanges, DoNothingToUnsignedWeightsWhichAreMultipliedIn16Bits) {
  QuantizationConfig config;
  config.weight = DType::kUInt8;
  EXPECT_TRUE(plan_for(Target::kAvx2, config).reductions.empty());
}

TEST(ReduceRanges, SevenBitWeightsNeedNone) {
  QuantizationConfig config;
  config.reduce_range = true;
  EXPECT_EQ(totals_of(plan_for(Target::kAvx2, config).reductions).reduced, 0U);
}

TEST(ReduceRanges, ActivationsThatStayBelowTheTopIntegerNeedLess) {
  QuantizationConfig config;
  config.min_real_range = 200.0;  // calibrated values then reach integer 128 at most
  EXPECT_EQ(totals_of(plan_for(Target::kAvx2, config).reductions).reduced, 0U);
}

TEST(ReduceRanges, ParityKeepsTheRangesOfThePythonQuantizer) {
  QuantizationConfig config;
  config.profile = QuantizationProfile::kOnnxRuntime132;
  EXPECT_TRUE(plan_for(Target::kAvx2, config).reductions.empty());
}

TEST(ReduceRanges, ThePlanSaysWhatWasReducedAndWhy) {
  const QuantizationPlan plan = plan_for(Target::kAvx2);
  EXPECT_THAT(to_string(plan), HasSubstr("Conv 'conv'"));
  EXPECT_THAT(to_string(plan), HasSubstr("16 bits in which avx2 adds it"));
  const Json json = to_json(plan);
  EXPECT_EQ(json["saturation"]["target"], "avx2");
  EXPECT_EQ(json["saturation"]["reduced"], totals_of(plan.reductions).reduced);
}

}  // namespace
}  // namespace planish
