// The knapsack of layers that stay FP32, against every subset.
#include "sensitivity/choose_layers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace planish::sensitivity_detail {
namespace {

double noise_of(std::span<const LayerTrade> layers, std::span<const std::size_t> kept) {
  double noise = 0.0;
  for (std::size_t i = 0; i < layers.size(); ++i)
    noise += std::ranges::find(kept, i) == kept.end() ? layers[i].noise : 0.0;
  return noise;
}

double cost_of(std::span<const LayerTrade> layers, std::span<const std::size_t> kept) {
  double cost = 0.0;
  for (const std::size_t i : kept) cost += layers[i].saved_ms;
  return cost;
}

/// The least cost of any subset without which at most `noise_left` is left.
double least_cost(std::span<const LayerTrade> layers, double noise_left) {
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t subset = 0; subset < (std::size_t{1} << layers.size()); ++subset) {
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if ((subset >> i & 1U) != 0) kept.push_back(i);
    }
    if (noise_of(layers, kept) <= noise_left) least = std::min(least, cost_of(layers, kept));
  }
  return least;
}

TEST(CheapestLayers, AreEnoughAndNoSubsetIsCheaperButForRounding) {
  std::mt19937_64 random(20261125);
  for (int round = 0; round < 100; ++round) {
    const std::uint64_t seed = random();
    SCOPED_TRACE(seed);
    std::mt19937_64 draw(seed);
    std::uniform_real_distribution<double> unit(0.0, 1.0);
    std::vector<LayerTrade> layers;
    double total = 0.0;
    // Costs above a thousandth of their sum: below, layers count as costing that.
    const std::size_t count = 1 + draw() % 9;
    for (std::size_t i = 0; i < count; ++i) {
      layers.push_back({.noise = unit(draw) * unit(draw), .saved_ms = 0.1 + unit(draw)});
      total += layers.back().noise;
    }
    const double left = total * unit(draw);
    const auto kept = cheapest_layers(layers, left);
    EXPECT_TRUE(std::ranges::is_sorted(kept));
    EXPECT_LE(noise_of(layers, kept), left + total * 1e-12);
    // Each layer's noise is rounded down by less than a thousandth of what has to go, so a subset
    // that takes away so much more is feasible after rounding, too.
    const double rounding = (total - left) * static_cast<double>(layers.size()) / 1000.0;
    const double bound = least_cost(layers, std::max(left - rounding, 0.0));
    EXPECT_LE(cost_of(layers, kept), bound * (1.0 + 1e-12));
  }
}

TEST(CheapestLayers, AreNoneWhenAllNoiseMayStay) {
  const std::vector<LayerTrade> layers{{1.0, 1.0}, {2.0, 1.0}};
  EXPECT_TRUE(cheapest_layers(layers, 3.0).empty());
  EXPECT_TRUE(cheapest_layers({}, 0.0).empty());
}

TEST(CheapestLayers, AreAllThatMakeNoiseWhenNoneMayStay) {
  const std::vector<LayerTrade> layers{{1.0, 1.0}, {0.0, 1.0}, {2.0, 1.0}};
  EXPECT_EQ(cheapest_layers(layers, 0.0), (std::vector<std::size_t>{0, 2}));
}

TEST(CheapestLayers, TakeWhatInt8MakesSlowerFirst) {
  const std::vector<LayerTrade> layers{{5.0, 1.0}, {5.0, -1.0}, {5.0, 1.0}};
  EXPECT_EQ(cheapest_layers(layers, 10.0), std::vector<std::size_t>{1});
}

}  // namespace
}  // namespace planish::sensitivity_detail
