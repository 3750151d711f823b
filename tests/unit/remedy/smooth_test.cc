#include "planish/remedy/smooth.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "planish/base/error.h"
#include "planish/graph/graph_index.h"
#include "planish/remedy/remedies.h"
#include "planish/runtime/session.h"
#include "support/fake_dataset.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish {
namespace {

using test::FakeDataset;
using test::GraphBuilder;
using test::throws;

constexpr std::int64_t kWidth = 16;

/// LayerNormalization whose gain makes two channels 60 times as wide as the others -> MatMul
/// [16, 8]; y is its output. `residual`: the normalized value is an output of its own sum, too.
Model normalized(bool residual) {
  std::vector<float> gain(kWidth, 1.0F);
  gain[3] = 60.0F;
  gain[11] = -60.0F;
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, {5, kWidth})
      .initializer<float>("gain", {kWidth}, gain)
      .initializer("shift", test::random_tensor({kWidth}, 1, -0.1F, 0.1F))
      .node("LayerNormalization", {"x", "gain", "shift"}, {"n"})
      .value("n", DType::kFloat32, {5, kWidth})
      .initializer("w", test::random_tensor({kWidth, 8}, 2))
      .node("MatMul", {"n", "w"}, {"y"}, {}, "projection")
      .output("y", DType::kFloat32, {5, 8});
  if (residual)
    builder.node("Add", {"n", "x"}, {"sum"}).output("sum", DType::kFloat32, {5, kWidth});
  return builder.model();
}

FakeDataset samples() {
  FakeDataset data("x");
  for (std::uint64_t i = 0; i < 12; ++i) data.add(test::random_tensor({5, kWidth}, i + 10));
  return data;
}

Smoothed smoothed(const Model& model, const SmoothConfig& config = {}) {
  const auto targets = smoothing_targets(model, config);
  return smooth(model, observe_channels(model, samples(), targets), {}, config);
}

/// Sum of squared differences of "y" over sum of squares, over all samples.
double relative_error(const Model& reference, const Model& candidate) {
  const auto expected = open_session(reference);
  const auto found = open_session(candidate);
  const FakeDataset data = samples();
  double error = 0.0;
  double power = 0.0;
  for (std::size_t i = 0; i < data.size(); ++i) {
    const Tensor a = expected->run(data.read(i).inputs).front();
    const Tensor b = found->run(data.read(i).inputs).front();
    for (std::size_t e = 0; e < a.element_count(); ++e) {
      const double x = a.values<float>()[e];
      const double difference = x - static_cast<double>(b.values<float>()[e]);
      error += difference * difference;
      power += x * x;
    }
  }
  return error / power;
}

/// Relative power of rounding every constant once more (2^-24 each) and of sums of 16 products in
/// another order: far below any quantization.
constexpr double kFloatNoise = 16 * 16 * 0x1p-46;

TEST(Smooth, FoldsOutliersIntoTheNormalization) {
  const Model model = normalized(false);
  const Smoothed made = smoothed(model);
  ASSERT_EQ(made.report.inputs.size(), 1U);
  const SmoothedInput& input = made.report.inputs[0];
  EXPECT_EQ(input.value, "n");
  EXPECT_EQ(input.left_because, "");
  EXPECT_FALSE(input.has_mul);
  EXPECT_GT(input.strength, 0.0);
  EXPECT_LT(input.noise_after, input.noise_before * (1 - SmoothConfig{}.min_gain));
  EXPECT_EQ(made.model.graph.nodes, model.graph.nodes);
  EXPECT_LT(relative_error(model, made.model), kFloatNoise);
}

TEST(Smooth, MakesTheQuantizedModelMoreAccurate) {
  for (const bool residual : {false, true}) {
    const Model model = normalized(residual);
    const auto error_with = [&](const RemedyConfig& remedies) {
      const RemediedPlan made = plan_with_remedies(model, samples(), {}, {}, remedies);
      return relative_error(model, apply(made.plan, made.model));
    };
    RemedyConfig remedies;
    remedies.smooth = SmoothConfig{.min_gain_of_mul = kGainWorthAMul};
    EXPECT_LT(error_with(remedies), error_with({}) / 2) << residual;
  }
}

TEST(Smooth, AddsAMulOnlyOnRequestWhereAResidualReadsTheValueToo) {
  const Model model = normalized(true);
  EXPECT_TRUE(smoothing_targets(model).empty());
  const Smoothed made = smoothed(model, {.min_gain_of_mul = kGainWorthAMul});
  ASSERT_EQ(made.report.inputs.size(), 1U);
  EXPECT_TRUE(made.report.inputs[0].has_mul);
  const Graph& graph = made.model.graph;
  ASSERT_EQ(graph.nodes.size(), model.graph.nodes.size() + 1);
  const auto mul = GraphIndex(graph).producer(graph.nodes.at(2).input(0));
  ASSERT_EQ(mul, 1U);
  EXPECT_EQ(graph.nodes[1].op_type, "Mul");
  EXPECT_EQ(graph.nodes[1].input(0), "n");
  EXPECT_EQ(graph.nodes[3].input(0), "n");  // the residual reads what it read
  EXPECT_LT(relative_error(model, made.model), kFloatNoise);
}

TEST(Smooth, LeavesChannelsThatAreAlike) {
  Model model = normalized(false);
  model.graph.initializers[0].value = Tensor::of<float>({kWidth}, std::vector<float>(kWidth, 1.0F));
  model.graph.initializers[1].value = Tensor::of<float>({kWidth}, std::vector<float>(kWidth, 0.0F));
  model.graph.initializers[2].value =
      Tensor::of<float>({kWidth, 8}, std::vector<float>(kWidth * 8, 0.5F));
  const Smoothed made = smoothed(model, {.min_gain = 0.5});
  EXPECT_FALSE(made.report.inputs.at(0).left_because.empty());
  EXPECT_EQ(made.model, model);
}

TEST(Smooth, RefusesStatisticsOfOtherValues) {
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [] { smooth(normalized(false), {}, {}); },
                     {"smoothing_targets"}));
}

}  // namespace
}  // namespace planish
