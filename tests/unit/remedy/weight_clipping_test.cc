#include "planish/remedy/weight_clipping.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "planish/remedy/remedies.h"
#include "support/fake_dataset.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

using test::FakeDataset;
using test::GraphBuilder;

constexpr std::int64_t kWidth = 32;

/// MatMul [32, 4]. Input 0 is hardly used, and in columns 0 and 1 its weight is the largest by far.
Model with_outliers() {
  std::vector<float> weights = test::random_tensor({kWidth, 4}, 1, -0.1F, 0.1F).to_floats();
  weights[0] = 1.0F;
  weights[1] = -0.8F;
  return GraphBuilder()
      .input("x", DType::kFloat32, {7, kWidth})
      .initializer<float>("w", {kWidth, 4}, weights)
      .node("MatMul", {"x", "w"}, {"y"}, {}, "product")
      .output("y", DType::kFloat32, {7, 4})
      .model();
}

FakeDataset samples() {
  FakeDataset data("x");
  for (std::uint64_t i = 0; i < 8; ++i) {
    std::vector<float> values = test::random_tensor({7, kWidth}, i + 1).to_floats();
    for (std::size_t row = 0; row < 7; ++row) values[row * kWidth] *= 1e-3F;
    data.add(Tensor::of<float>({7, kWidth}, values));
  }
  return data;
}

RemediedPlan clipped(const Model& model, Target target) {
  QuantizationConfig quantization;
  quantization.target = target;
  RemedyConfig remedies;
  remedies.clipping = ClippingConfig{.threads = 2};
  return plan_with_remedies(model, samples(), quantization, {.threads = 2}, remedies);
}

TEST(WeightClipping, CutsOffWeightsWhoseInputsHardlyCount) {
  const RemediedPlan made = clipped(with_outliers(), Target::kAvx512Vnni);
  ASSERT_EQ(made.report.clipping->layers.size(), 1U);
  const ClippedLayer& layer = made.report.clipping->layers[0];
  EXPECT_EQ(layer.node, "product");
  EXPECT_EQ(layer.scales, 4U);
  EXPECT_GE(layer.clipped, 2U);
  EXPECT_EQ(layer.raised, 0U);
  EXPECT_LT(layer.error_after, layer.error_before / 2);
  const TensorPlan& plan = *made.plan.find("w");
  // The search ends at 0.4 of the largest weight; the others would have it end at 0.1.
  EXPECT_LT(plan.params[0].scale, 1.0F / 2 / 127);
  EXPECT_LT(plan.params[1].scale, 0.8F / 2 / 127);
}

TEST(WeightClipping, NeverWorsensTheWeightedError) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const Model model = GraphBuilder()
                            .input("x", DType::kFloat32, {7, kWidth})
                            .initializer("w", test::random_tensor({kWidth, 4}, seed))
                            .node("MatMul", {"x", "w"}, {"y"})
                            .output("y", DType::kFloat32, {7, 4})
                            .model();
    for (const Target target : {Target::kAvx2, Target::kAvx512Vnni}) {
      const ClippedLayer& layer = clipped(model, target).report.clipping->layers.at(0);
      EXPECT_LE(layer.error_after, layer.error_before) << "seed " << seed;
    }
  }
}

TEST(WeightClipping, LeavesScalesThatTheTargetHasRaised) {
  // All neighbours are large and of one sign.
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {7, kWidth})
                          .initializer("w", test::random_tensor({kWidth, 4}, 1, 0.8F, 1.0F))
                          .node("MatMul", {"x", "w"}, {"y"})
                          .output("y", DType::kFloat32, {7, 4})
                          .model();
  const RemediedPlan made = clipped(model, Target::kAvx2);
  EXPECT_EQ(made.report.clipping->layers.at(0).raised, 4U);
  EXPECT_EQ(made.report.clipping->layers.at(0).clipped, 0U);
  EXPECT_TRUE(made.plan.config.tensor_overrides.empty());
}

TEST(WeightClipping, LeavesWhatTheUserSet) {
  QuantizationConfig quantization;
  quantization.target = Target::kAvx512Vnni;
  quantization.tensor_overrides["w"] = {.params = {{.min = -2.0F, .max = 2.0F}}};
  RemedyConfig remedies;
  remedies.clipping = ClippingConfig{};
  const RemediedPlan made =
      plan_with_remedies(with_outliers(), samples(), quantization, {}, remedies);
  EXPECT_TRUE(made.report.clipping->layers.empty());
  EXPECT_EQ(made.plan.config.tensor_overrides, quantization.tensor_overrides);
}

}  // namespace
}  // namespace planish
