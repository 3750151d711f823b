// The search over layers that stay FP32, with outcomes that a formula gives.
#include "planish/sensitivity/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

namespace planish {
namespace {

/// Accepts models whose noise, the sum of that of their INT8 layers, is at most `allowed`.
struct AdditiveModel {
  std::vector<LayerTrade> layers = {};
  double allowed = 0.0;
  std::size_t asked = 0;

  [[nodiscard]] double noise_without(std::span<const std::size_t> kept) const {
    const std::set<std::size_t> fp32(kept.begin(), kept.end());
    double noise = 0.0;
    for (std::size_t i = 0; i < layers.size(); ++i) noise += fp32.contains(i) ? 0 : layers[i].noise;
    return noise;
  }
  [[nodiscard]] MixedOutcome outcome(std::span<const std::size_t> kept) const {
    const double noise = noise_without(kept);
    if (noise <= allowed) return {.accepted = true};
    return {.accepted = false, .allowed_noise_share = allowed / noise};
  }
  MixedSearch search(const MixedSearchConfig& config = {}) {
    return search_mixed_precision(
        layers, outcome({}),
        [&](std::span<const std::size_t> kept) {
          ++asked;
          return outcome(kept);
        },
        config);
  }
};

TEST(MixedSearch, TriesNothingWhenFullInt8IsAccepted) {
  AdditiveModel model{.layers = {{1.0, 1.0}, {1.0, 1.0}}, .allowed = 2.0};
  EXPECT_TRUE(model.search().trials.empty());
}

TEST(MixedSearch, KeepsTheOneBadLayer) {
  AdditiveModel model{.allowed = 20.0};
  for (int i = 0; i < 12; ++i) model.layers.push_back({1.0, 1.0});
  model.layers[7].noise = 50.0;
  const MixedSearch found = model.search();
  ASSERT_TRUE(found.best);
  EXPECT_EQ(found.trials[*found.best].kept, std::vector<std::size_t>{7});
  EXPECT_EQ(model.asked, 1U);  // noise adds up here, so the first guess is right
}

TEST(MixedSearch, PrefersNoiseThatIsCheapToTakeAway) {
  // Either of the first two would do; the second costs a tenth.
  AdditiveModel model{.layers = {{10.0, 10.0}, {10.0, 1.0}, {1.0, 5.0}}, .allowed = 12.0};
  const MixedSearch found = model.search();
  ASSERT_TRUE(found.best);
  EXPECT_EQ(found.trials[*found.best].kept, std::vector<std::size_t>{1});
}

TEST(MixedSearch, GivesBackWhatIsNotNeeded) {
  // 0 is almost free, and not needed: 1 alone is what has to go.
  AdditiveModel model{.layers = {{2.0, 0.1}, {30.0, 3.0}, {1.0, 5.0}}, .allowed = 4.0};
  const MixedSearch found = model.search();
  ASSERT_TRUE(found.best);
  EXPECT_EQ(found.trials[*found.best].kept, std::vector<std::size_t>{1});
}

TEST(MixedSearch, LearnsFromTimesOfWholeModels) {
  // The profiler saw almost nothing of what INT8 saves in the first layer.
  AdditiveModel model{.layers = {{10.0, 0.1}, {10.0, 1.0}, {1.0, 5.0}}, .allowed = 12.0};
  const std::vector<double> really_saved{6.0, 1.0, 5.0};
  MixedOutcome full = model.outcome({});
  full.saved_ms = 12.0;
  const MixedSearch found =
      search_mixed_precision(model.layers, full, [&](std::span<const std::size_t> kept) {
        MixedOutcome outcome = model.outcome(kept);
        double saved = 12.0;
        for (const std::size_t i : kept) saved -= really_saved[i];
        outcome.saved_ms = saved;
        return outcome;
      });
  ASSERT_GE(found.trials.size(), 2U);
  EXPECT_EQ(found.trials[0].kept, std::vector<std::size_t>{0});
  ASSERT_TRUE(found.best);
  EXPECT_EQ(found.trials[*found.best].kept, std::vector<std::size_t>{1});
  EXPECT_EQ(found.trials[*found.best].saved_ms, 11.0);
}

TEST(MixedSearch, LayersThatInt8MakesSlowerGoFirst) {
  AdditiveModel model{.layers = {{5.0, 1.0}, {5.0, -1.0}, {5.0, 1.0}}, .allowed = 10.0};
  const MixedSearch found = model.search();
  ASSERT_TRUE(found.best);
  EXPECT_EQ(found.trials[*found.best].kept, std::vector<std::size_t>{1});
}

TEST(MixedSearch, TriesNoModelThatKeepsNoSpeed) {
  AdditiveModel model{.layers = {{1.0, 9.5}, {1.0, 0.5}}, .allowed = 0.0};
  const MixedSearch found = model.search();
  EXPECT_FALSE(found.best);
  for (const MixedTrial& trial : found.trials) EXPECT_EQ(trial.kept, std::vector<std::size_t>{1});
}

TEST(MixedSearch, RespectsTheNumberOfTrials) {
  for (std::size_t most = 0; most < 8; ++most) {
    AdditiveModel model{.allowed = 30.0};
    for (int i = 0; i < 64; ++i) model.layers.push_back({1.0 + i % 7, 1.0 + i % 3});
    const MixedSearch found = model.search({.max_trials = most});
    EXPECT_LE(model.asked, most);
    EXPECT_EQ(found.trials.size(), model.asked);
  }
}

TEST(MixedSearch, ReturnsWhatWasFoundUntilItIsStopped) {
  AdditiveModel model{.allowed = 30.0};
  for (int i = 0; i < 64; ++i) model.layers.push_back({1.0 + i % 7, 1.0});
  std::stop_source source;
  const MixedSearch found = search_mixed_precision(
      model.layers, model.outcome({}),
      [&](std::span<const std::size_t> kept) {
        source.request_stop();
        return model.outcome(kept);
      },
      {}, source.get_token());
  EXPECT_EQ(found.trials.size(), 1U);
}

TEST(MixedSearch, WhateverTheLayersTheBestIsAcceptedAndNoModelIsTriedTwice) {
  std::mt19937_64 random(20260711);
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t seed = random();
    SCOPED_TRACE(seed);
    std::mt19937_64 draw(seed);
    std::uniform_real_distribution<double> unit(0.0, 1.0);
    AdditiveModel model;
    const std::size_t count = 1 + draw() % 40;
    double total = 0.0;
    for (std::size_t i = 0; i < count; ++i) {
      model.layers.push_back({unit(draw) * unit(draw), unit(draw)});
      total += model.layers.back().noise;
    }
    model.allowed = total * unit(draw);
    const MixedSearch found = model.search();
    std::set<std::vector<std::size_t>> seen;
    for (const MixedTrial& trial : found.trials) {
      EXPECT_TRUE(std::ranges::is_sorted(trial.kept));
      EXPECT_TRUE(seen.insert(trial.kept).second) << "the same model twice";
      EXPECT_EQ(trial.outcome.accepted, model.noise_without(trial.kept) <= model.allowed);
    }
    if (!found.best) continue;
    const MixedTrial& best = found.trials[*found.best];
    EXPECT_TRUE(best.outcome.accepted);
    for (const MixedTrial& trial : found.trials) {
      EXPECT_TRUE(!trial.outcome.accepted || trial.saved_ms <= best.saved_ms);
    }
  }
}

AccuracyReport judged(double cosine, double agreement) {
  AccuracyReport report{.samples = 100, .is_classifier = true};
  report.cosine_mean = cosine;
  report.top1_agreement = agreement;
  return report;
}

TEST(OutcomeOf, CosineAllowsNoiseInProportion) {
  const AccuracyThresholds thresholds{.max_drop = 0.01, .min_cosine = 0.99};
  EXPECT_TRUE(outcome_of(judged(0.99, 1.0), thresholds).accepted);
  // 1 - 0.96 is four times what is allowed.
  EXPECT_NEAR(outcome_of(judged(0.96, 1.0), thresholds).allowed_noise_share, 0.25, 1e-12);
}

TEST(OutcomeOf, ChangedAnswersAllowNoiseByTheSquare) {
  const AccuracyThresholds thresholds{.max_drop = 0.01, .min_cosine = 0.9};
  EXPECT_NEAR(outcome_of(judged(0.95, 0.96), thresholds).allowed_noise_share, 1.0 / 16, 1e-12);
}

TEST(OutcomeOf, TheStricterThresholdCounts) {
  const AccuracyThresholds thresholds{.max_drop = 0.01, .min_cosine = 0.99};
  EXPECT_NEAR(outcome_of(judged(0.98, 0.96), thresholds).allowed_noise_share, 1.0 / 16, 1e-12);
}

}  // namespace
}  // namespace planish
