#include "planish/remedy/layer_statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "planish/base/error.h"
#include "planish/optimize/layer_weight.h"
#include "planish/remedy/channel_statistics.h"
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

/// Small integers: their sums and products are exact in floats, whatever the order.
Tensor integers(std::vector<std::int64_t> dims, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::size_t count = 1;
  for (const std::int64_t dim : dims) count *= static_cast<std::size_t>(dim);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random() % 9) - 4.0F;
  return Tensor::of<float>(std::move(dims), values);
}

TEST(ChannelStatistics, FindsExtremesAndMeanSquaresByChannel) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {"n", 2, "w"})
                          .node("Relu", {"x"}, {"y"})
                          .output("y", DType::kFloat32, {"n", 2, "w"})
                          .model();
  FakeDataset data("x", {Tensor::of<float>({1, 2, 2}, std::vector<float>{-3, 1, 4, -2}),
                         Tensor::of<float>({1, 2, 2}, std::vector<float>{2, 0, -1, 5})});
  const std::vector<ChannelsOfValue> values{{"x", 1}, {"y", 1}, {"x", 2}};
  const auto found = observe_channels(model, data, values);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].min, (std::vector<float>{-3, -2}));
  EXPECT_EQ(found[0].max, (std::vector<float>{2, 5}));
  EXPECT_EQ(found[0].mean_square, (std::vector<double>{14.0 / 4, 46.0 / 4}));
  EXPECT_EQ(found[1].min, (std::vector<float>{0, 0}));
  EXPECT_EQ(found[1].mean_square, (std::vector<double>{5.0 / 4, 41.0 / 4}));
  EXPECT_EQ(found[2].max, (std::vector<float>{4, 5}));
}

TEST(ChannelStatistics, NamesSampleAndValueOfNonFiniteElements) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {2, 1})
                          .node("Relu", {"x"}, {"y"})
                          .output("y", DType::kFloat32, {2, 1})
                          .model();
  const std::vector<ChannelsOfValue> values{{"x", 1}};
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    FakeDataset data("x", {Tensor::of<float>({2, 1}, std::vector<float>{1, 2}),
                           Tensor::of<float>({2, 1}, std::vector<float>{bad, 2})});
    EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { observe_channels(model, data, values); },
                       {"sample_1", "'x'"}));
  }
}

TEST(ChannelStatistics, RefusesChannelsThatChangeTheirNumber) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {1, "c"})
                          .node("Relu", {"x"}, {"y"})
                          .output("y", DType::kFloat32, {1, "c"})
                          .model();
  FakeDataset data("x", {integers({1, 2}, 1), integers({1, 3}, 1)});
  const std::vector<ChannelsOfValue> values{{"x", 1}};
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { observe_channels(model, data, values); },
                     {"3 channels", "2"}));
}

/// A convolution of any geometry, and its rows taken one element at a time.
struct Geometry {
  std::int64_t channels, groups, kernel_h, kernel_w, stride, dilation, pad_before, pad_after,
      height, width;
};

Geometry random_geometry(std::mt19937_64& random) {
  const auto pick = [&](std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
  };
  Geometry of{};
  of.groups = pick(1, 3);
  of.channels = of.groups * pick(1, 3);
  of.kernel_h = pick(1, 4);
  of.kernel_w = pick(1, 4);
  of.stride = pick(1, 3);
  of.dilation = pick(1, 2);
  of.pad_before = pick(0, 2);
  of.pad_after = pick(0, 2);
  of.height = pick(7, 10);
  of.width = pick(7, 10);
  return of;
}

std::vector<std::vector<double>> rows_of(const Tensor& x, const Geometry& of, std::int64_t group) {
  const auto at = [&](std::int64_t c, std::int64_t h, std::int64_t w) {
    if (h < 0 || w < 0 || h >= of.height || w >= of.width) return 0.0;
    return static_cast<double>(
        x.values<float>()[static_cast<std::size_t>((c * of.height + h) * of.width + w)]);
  };
  const auto outputs = [&](std::int64_t size, std::int64_t kernel) {
    return (size + of.pad_before + of.pad_after - ((kernel - 1) * of.dilation + 1)) / of.stride + 1;
  };
  std::vector<std::vector<double>> rows;
  for (std::int64_t oh = 0; oh < outputs(of.height, of.kernel_h); ++oh) {
    for (std::int64_t ow = 0; ow < outputs(of.width, of.kernel_w); ++ow) {
      std::vector<double> row;
      for (std::int64_t c = 0; c < of.channels / of.groups; ++c) {
        for (std::int64_t i = 0; i < of.kernel_h; ++i) {
          for (std::int64_t j = 0; j < of.kernel_w; ++j) {
            row.push_back(at(group * (of.channels / of.groups) + c,
                             oh * of.stride + i * of.dilation - of.pad_before,
                             ow * of.stride + j * of.dilation - of.pad_before));
          }
        }
      }
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

Model convolution(const Geometry& of) {
  const std::vector<std::int64_t> dims{of.groups * 2, of.channels / of.groups, of.kernel_h,
                                       of.kernel_w};
  return GraphBuilder()
      .input("x", DType::kFloat32, {1, of.channels, of.height, of.width})
      .initializer("w", test::random_tensor(dims, 1))
      .node("Conv", {"x", "w"}, {"y"},
            {{"group", of.groups},
             {"strides", ints({of.stride, of.stride})},
             {"dilations", ints({of.dilation, of.dilation})},
             {"pads", ints({of.pad_before, of.pad_before, of.pad_after, of.pad_after})}})
      .untyped_output("y")
      .model();
}

TEST(LayerStatistics, HoldsTheMomentsOfTheRowsUnderAnyKernel) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const Geometry of = random_geometry(random);
    const Tensor x = integers({1, of.channels, of.height, of.width}, seed);
    const std::vector<LayerToObserve> layers{{.node = 0}};
    const auto found = observe_layers(convolution(of), FakeDataset("x", {x}), layers,
                                      {.second_moments = true, .rows_per_sample = 1000});
    ASSERT_EQ(found.size(), 1U);
    const auto terms =
        static_cast<std::size_t>(of.channels / of.groups * of.kernel_h * of.kernel_w);
    for (std::int64_t g = 0; g < of.groups; ++g) {
      const auto rows = rows_of(x, of, g);
      ASSERT_EQ(found[0].rows, rows.size());
      ASSERT_EQ(found[0].moment_rows, rows.size());
      const auto count = static_cast<double>(rows.size());
      const std::size_t first = static_cast<std::size_t>(g) * terms;
      for (std::size_t k = 0; k < terms; ++k) {
        double sum = 0.0;
        for (const auto& row : rows) sum += row[k];
        EXPECT_EQ(found[0].mean[first + k], sum / count);
        EXPECT_EQ(found[0].moment_mean[first + k], sum / count);
        for (std::size_t j = 0; j < terms; ++j) {
          double products = 0.0;
          for (const auto& row : rows) products += row[k] * row[j];
          EXPECT_EQ(found[0].second_moment[(first + k) * terms + j],
                    static_cast<float>(products / count));
        }
      }
    }
  }
}

TEST(LayerStatistics, PadsAsAutoPadSays) {
  const auto means = [](const char* auto_pad, const std::vector<std::int64_t>& pads) {
    const std::vector<float> one(9, 1.0F);
    GraphBuilder builder;
    builder.input("x", DType::kFloat32, {1, 1, 5, 6}).initializer("w", {1, 1, 3, 3}, one);
    test::Attributes attributes{{"strides", ints({2, 2})}};
    if (auto_pad != nullptr) attributes.emplace_back("auto_pad", std::string(auto_pad));
    if (!pads.empty()) attributes.emplace_back("pads", pads);
    builder.node("Conv", {"x", "w"}, {"y"}, attributes).untyped_output("y");
    const std::vector<LayerToObserve> layers{{.node = 0}};
    return observe_layers(builder.model(), FakeDataset("x", {integers({1, 1, 5, 6}, 3)}), layers)
        .front()
        .mean;
  };
  // 5 -> 3 needs 2 zeros, one on each side; 6 -> 3 needs 1, on the side that the name says.
  EXPECT_EQ(means("SAME_UPPER", {}), means(nullptr, {1, 0, 1, 1}));
  EXPECT_EQ(means("SAME_LOWER", {}), means(nullptr, {1, 1, 1, 0}));
  EXPECT_EQ(means("VALID", {}), means(nullptr, {0, 0, 0, 0}));
}

TEST(LayerStatistics, KnowsMatricesAndTheIntegersOfTheirInput) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {"b", "t", 3})
                          .initializer("w", test::random_tensor({3, 2}, 1))
                          .node("MatMul", {"x", "w"}, {"y"})
                          .output("y", DType::kFloat32, {"b", "t", 2})
                          .model();
  FakeDataset data("x", {Tensor::of<float>({1, 2, 3}, std::vector<float>{0.4F, 1, 9, 0.2F, -5, 1}),
                         Tensor::of<float>({1, 1, 3}, std::vector<float>{0.9F, 1, 2})});
  const std::vector<LayerToObserve> layers{
      {.node = 0, .input = QuantizationParams{.scale = 1.0F, .zero_point = 2}}};
  const auto found = observe_layers(model, data, layers, {.second_moments = true});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].rows, 3U);
  EXPECT_NEAR(found[0].mean[0], 0.5, 1e-7);  // three float32 numbers below 1
  EXPECT_EQ(found[0].mean[1], -1.0);
  // 0.4 and 0.2 round to 0 and 0.9 to 1; -5 lies below the least integer, which stands for -2.
  EXPECT_EQ(found[0].quantized_mean, (std::vector<double>{1.0 / 3, 0.0, 4.0}));
  EXPECT_EQ(found[0].second_moment[4], 2.0F);  // (1 + 4 + 1) / 3
}

TEST(LayerStatistics, DoesNotDependOnThreadsNorOnTheNumberOfPasses) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {1, 3, "h", "w"})
                          .initializer("w1", test::random_tensor({8, 3, 3, 3}, 1))
                          .initializer("w2", test::random_tensor({4, 8, 3, 3}, 2))
                          .node("Conv", {"x", "w1"}, {"a"})
                          .node("Relu", {"a"}, {"b"})
                          .node("Conv", {"b", "w2"}, {"y"})
                          .untyped_output("y")
                          .model();
  FakeDataset data("x");
  for (std::uint64_t i = 0; i < 30; ++i) data.add(test::random_tensor({1, 3, 9, 8}, i));
  const std::vector<LayerToObserve> layers{{.node = 0}, {.node = 2}};
  ObserveLayersConfig config{.second_moments = true, .rows_per_sample = 7};
  config.run.threads = 1;
  const auto one = observe_layers(model, data, layers, config);
  config.run.threads = 4;
  const auto four = observe_layers(model, data, layers, config);
  config.max_bytes = 1;
  const auto passes = observe_layers(model, data, layers, config);
  ASSERT_EQ(one.size(), 2U);
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].moment_rows, 210U);
    for (const auto* other : {&four[i], &passes[i]}) {
      EXPECT_EQ(one[i].mean, other->mean);
      EXPECT_EQ(one[i].moment_mean, other->moment_mean);
      EXPECT_EQ(one[i].second_moment, other->second_moment);
    }
  }
}

TEST(LayerStatistics, RefusesNodesThatAreNoLayers) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {1})
                          .node("Relu", {"x"}, {"y"})
                          .output("y", DType::kFloat32, {1})
                          .model();
  FakeDataset data("x", {integers({1}, 1)});
  for (const std::size_t node : {0U, 7U}) {
    const std::vector<LayerToObserve> layers{{.node = node}};
    EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { observe_layers(model, data, layers); },
                       {"node " + std::to_string(node)}));
  }
}

}  // namespace
}  // namespace planish
