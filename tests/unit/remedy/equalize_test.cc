#include "planish/remedy/equalize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "planish/base/error.h"
#include "planish/graph/graph_index.h"
#include "planish/optimize/tied_channels.h"
#include "planish/runtime/session.h"
#include "support/fake_dataset.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish {
namespace {

using test::FakeDataset;
using test::GraphBuilder;
using test::ints;
using test::throws;

constexpr std::int64_t kChannels = 6;

/// conv1 [6, 3, 1, 1] -> `activation` -> conv2, depthwise or [5, 6, 3, 3].
GraphBuilder pair_of(const std::string& activation, bool depthwise) {
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, {1, 3, 8, 8})
      .initializer("w1", test::random_tensor({kChannels, 3, 1, 1}, 1))
      .initializer("b1", test::random_tensor({kChannels}, 2, 0.5F, 1.0F))
      .node("Conv", {"x", "w1", "b1"}, {"conv1"})
      .value("conv1", DType::kFloat32, {1, kChannels, 8, 8})
      .node(activation, {"conv1"}, {"act"})
      .value("act", DType::kFloat32, {1, kChannels, 8, 8})
      .initializer("w2", depthwise ? test::random_tensor({kChannels, 1, 3, 3}, 3)
                                   : test::random_tensor({5, kChannels, 3, 3}, 3))
      .node("Conv", {"act", "w2"}, {"y"}, {{"group", depthwise ? kChannels : 1}})
      .output("y", DType::kFloat32, {1, depthwise ? kChannels : 5, 6, 6});
  return builder;
}

FakeDataset samples() {
  FakeDataset data("x");
  for (std::uint64_t i = 0; i < 8; ++i) data.add(test::random_tensor({1, 3, 8, 8}, i));
  return data;
}

/// `model` with its channels made unlike: factors 2^-4 ... 2^4, which change no digit.
Model widened(Model model) {
  const auto sets = find_tied_channels(model.graph, model.opset());
  std::vector<double> factors;
  for (std::int64_t c = 0; c < kChannels; ++c) {
    factors.push_back(std::ldexp(1.0, static_cast<int>(c * 8 / (kChannels - 1)) - 4));
  }
  scale_channels(model.graph, sets.front(), factors);
  return model;
}

Equalized equalized(const Model& model, const QuantizationConfig& quantization = {},
                    const EqualizeConfig& config = {}) {
  const auto targets = equalization_targets(model);
  return equalize(model, observe_channels(model, samples(), targets), quantization, config);
}

/// The largest magnitude of each channel of `value`.
std::vector<double> magnitudes(const Model& model, const std::string& value) {
  const std::vector<ChannelsOfValue> values{{value, 1}};
  const auto seen = observe_channels(model, samples(), values).front();
  std::vector<double> result;
  for (std::size_t c = 0; c < seen.max.size(); ++c) {
    result.push_back(std::max(std::abs(seen.min[c]), std::abs(seen.max[c])));
  }
  return result;
}

double spread(const std::vector<double>& values) {
  const auto [least, greatest] = std::ranges::minmax(values);
  return greatest / least;
}

void expect_same_function(const Model& before, const Model& after) {
  const auto one = open_session(before);
  const auto two = open_session(after);
  const FakeDataset data = samples();
  for (std::size_t i = 0; i < data.size(); ++i) {
    const Tensor expected = one->run(data.read(i).inputs).front();
    const Tensor found = two->run(data.read(i).inputs).front();
    ASSERT_EQ(found.dims(), expected.dims());
    // Each output is a sum of at most 9 * 6 products of two factors that are rounded once more
    // each: below 54 * 3 units of 2^-24 of the largest such sum, 54 * max|act| * max|w|, here < 4.
    for (std::size_t k = 0; k < expected.element_count(); ++k) {
      ASSERT_NEAR(found.values<float>()[k], expected.values<float>()[k],
                  54.0 * 4.0 * 162 * 0x1p-24);
    }
  }
}

TEST(Equalize, MakesRangesInFrontOfADepthwiseConvolutionAlike) {
  // A scale per channel makes its weights indifferent to factors, so the activations decide alone.
  const Model model = widened(pair_of("Relu", true).model());
  EXPECT_GT(spread(magnitudes(model, "act")), 100.0);
  const Equalized result = equalized(model);
  ASSERT_EQ(result.report.sets.size(), 1U);
  EXPECT_EQ(result.report.sets[0].left_because, "");
  EXPECT_LT(result.report.sets[0].noise_after, result.report.sets[0].noise_before / 100);
  // Equal but for the rounding of weights and sums to float32.
  EXPECT_LT(spread(magnitudes(result.model, "act")), 1.5);
  expect_same_function(model, result.model);
}

TEST(Equalize, BalancesActivationsAgainstTheWeightsBehind) {
  for (const char* activation : {"Relu", "LeakyRelu", "Identity"}) {
    const Model model = widened(pair_of(activation, false).model());
    const Equalized result = equalized(model);
    EXPECT_LT(result.report.sets.at(0).noise_after, result.report.sets.at(0).noise_before / 10)
        << activation;
    EXPECT_LT(spread(magnitudes(result.model, "act")), 4.0) << activation;
    expect_same_function(model, result.model);
  }
}

TEST(Equalize, EvensTheRowsOfWeightsThatShareOneScale) {
  QuantizationConfig per_tensor;
  per_tensor.weights = Granularity::kPerTensor;
  const Model model = widened(pair_of("Relu", true).model());
  const auto rows = [](const Model& of) {
    const GraphIndex index(of.graph);
    const auto weights = index.constant(of.graph.nodes[0].input(1))->value.values<float>();
    std::vector<double> peaks(kChannels, 0.0);
    for (std::size_t e = 0; e < weights.size(); ++e) {
      peaks[e / 3] = std::max<double>(peaks[e / 3], std::abs(weights[e]));
    }
    return peaks;
  };
  const Equalized result = equalized(model, per_tensor);
  EXPECT_LT(spread(rows(result.model)), spread(rows(model)) / 10);
  EXPECT_LT(result.report.sets.at(0).noise_after, result.report.sets.at(0).noise_before / 10);
  expect_same_function(model, result.model);
}

TEST(Equalize, LeavesAModelWhoseChannelsAreAlike) {
  Model model = pair_of("Relu", true).model();
  model = equalized(model).model;
  const Equalized again = equalized(model);
  EXPECT_EQ(again.report.sets.at(0).left_because, "its channels are alike enough");
  EXPECT_EQ(again.model, model);
}

TEST(Equalize, LeavesWhatActivationsThatAreNotHomogeneousSeparate) {
  const Model model = pair_of("Sigmoid", true).model();
  const Equalized result = equalized(model);
  EXPECT_TRUE(result.report.sets.empty());
  EXPECT_EQ(result.model, model);
}

/// conv1 -> Clip(0, `high`) -> depthwise conv2.
Model clipped(float high) {
  Model model = pair_of("Clip", true)
                    .initializer<float>("low", {}, {0})
                    .initializer<float>("high", {}, {high})
                    .model();
  model.graph.nodes[1].inputs = {"conv1", "low", "high"};
  return model;
}

TEST(Equalize, ChannelsThatReachAClipsBoundKeepTheirFactor) {
  Model model = clipped(1.0F);
  // Channel 0 far below the bound, the others around it.
  const auto sets = find_tied_channels(model.graph, model.opset());
  scale_channels(model.graph, sets.at(0), std::vector<double>{64, 1, 1, 1, 1, 1});
  const std::vector<double> before = magnitudes(model, "conv1");
  ASSERT_LT(before[0], 0.1);
  const Equalized result = equalized(model);
  ASSERT_EQ(result.report.sets.at(0).left_because, "");
  const std::vector<double> after = magnitudes(result.model, "conv1");
  for (std::size_t c = 0; c < before.size(); ++c) {
    if (before[c] > 1.0) {
      EXPECT_EQ(after[c], before[c]) << c;
    } else {
      EXPECT_LE(after[c], 1.0 + 1e-6) << c;  // scaled up to the bound and not beyond
    }
  }
  EXPECT_GT(after[0], 0.9);
  expect_same_function(model, result.model);
}

TEST(Equalize, AClipThatIsNeverReachedIsNotReachedAfterwards) {
  const Model model = widened(clipped(1000.0F));
  const Equalized result = equalized(model);
  for (const double magnitude : magnitudes(result.model, "conv1")) {
    EXPECT_LE(magnitude, 1000.0 * (1 + 1e-6));
  }
  EXPECT_LT(spread(magnitudes(result.model, "act")), 1.5);
  expect_same_function(model, result.model);
}

TEST(Equalize, DeadChannelsAreLeftAlone) {
  Model model = widened(pair_of("Relu", true).model());
  std::vector<float> bias(kChannels, 1.0F);
  bias[2] = -1000.0F;  // never above 0 behind the Relu
  std::ranges::find(model.graph.initializers, "b1", &Initializer::name)->value =
      Tensor::of<float>({kChannels}, bias);
  const Equalized result = equalized(model);
  EXPECT_EQ(result.report.sets.at(0).left_because, "");
  expect_same_function(model, result.model);
}

TEST(Equalize, FactorsStayWithinTheRatioAskedFor) {
  const Equalized result =
      equalized(widened(pair_of("Relu", true).model()), {}, {.max_ratio = 8.0, .rounds = 1});
  const EqualizedSet& set = result.report.sets.at(0);
  EXPECT_LE(set.greatest_factor / set.least_factor, 8.0 * (1 + 1e-12));
}

TEST(Equalize, RefusesStatisticsOfOtherValues) {
  const Model model = pair_of("Relu", true).model();
  std::vector<ChannelStatistics> statistics =
      observe_channels(model, samples(), equalization_targets(model));
  statistics.pop_back();
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { equalize(model, statistics, {}); },
                     {"equalization_targets"}));
  statistics.push_back({.min = {0}, .max = {1}, .mean_square = {1}});
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { equalize(model, statistics, {}); }));
}

}  // namespace
}  // namespace planish
