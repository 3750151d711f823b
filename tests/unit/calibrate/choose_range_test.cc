#include "calibrate/choose_range.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "calibrate/range_search.h"
#include "distributions.h"
#include "planish/base/error.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish {
namespace {

using test::quantiles;
using test::statistics_of;

constexpr std::size_t kCount = 1 << 16;
constexpr CalibrationMethod kMethods[] = {
    CalibrationMethod::kMinMax,     CalibrationMethod::kMovingAverage, CalibrationMethod::kEntropy,
    CalibrationMethod::kPercentile, CalibrationMethod::kMse,           CalibrationMethod::kAuto};

ChosenRange chosen(const std::vector<float>& elements, CalibrationMethod method,
                   const RangeOptions& options = {}) {
  return choose_range(statistics_of(elements), method, options).value();
}

double width_of(TensorRange range) { return static_cast<double>(range.max) - range.min; }

double error_of(const std::vector<float>& elements, TensorRange range) {
  return Distribution(test::histogram_of(elements)).mean_square_error(params_of(range, {}));
}

std::vector<std::vector<float>> samples() {
  std::vector<std::vector<float>> all{quantiles(kCount, test::uniform),
                                      quantiles(kCount, test::normal),
                                      quantiles(kCount, test::rectified_normal),
                                      quantiles(kCount, test::laplace),
                                      quantiles(kCount, test::cauchy),
                                      {0.0F},
                                      {-1.5F},
                                      {2.5F, 3.5F},
                                      {-3.0F, -1.0F},
                                      std::vector<float>(100, 0.0F),
                                      std::vector<float>(100, 1e-38F)};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::vector<float> elements = test::random_normals(1 + 37 * seed, seed, 1.0F);
    for (float& element : elements) element = std::exp(3 * element) - 0.5F;
    all.push_back(std::move(elements));
  }
  return all;
}

TEST(ChooseRange, NeverExceedsWhatWasObserved) {
  for (const std::vector<float>& elements : samples()) {
    const TensorRange seen = test::range_of_elements(elements);
    for (const CalibrationMethod method : kMethods) {
      SCOPED_TRACE(std::string(name_of(method)) + " of " + std::to_string(elements.size()) +
                   " elements");
      const TensorRange range = chosen(elements, method).range;
      EXPECT_GE(range.min, seen.min);
      EXPECT_LE(range.max, seen.max);
      EXPECT_LE(range.min, range.max);
      const TensorRange both = chosen(elements, method, {.symmetric = true}).range;
      EXPECT_EQ(both.min, -both.max);
      EXPECT_LE(both.max, std::max(-seen.min, seen.max));
    }
  }
}

TEST(ChooseRange, MinMaxIsWhatWasObserved) {
  const std::vector<float> elements = quantiles(kCount, test::normal);
  const ChosenRange range = chosen(elements, CalibrationMethod::kMinMax);
  EXPECT_EQ(range.range, test::range_of_elements(elements));
  EXPECT_EQ(range.observation.clipped, 0.0);
  EXPECT_EQ(range.observation.observed, range.range);
}

TEST(ChooseRange, MovingAverageIsTheMeanOfTheSamplesExtremes) {
  ValueStatistics statistics;
  statistics.add_sample(10, {-1.0F, 2.0F});
  statistics.add_sample(10, {-2.0F, 5.0F});
  statistics.add_sample(10, {0.0F, 11.0F});
  statistics.histogram = ValueHistogram();
  EXPECT_EQ(choose_range(statistics, CalibrationMethod::kMovingAverage, {})->range,
            (TensorRange{-1.0F, 6.0F}));
}

TEST(ChooseRange, NothingWithoutElements) {
  EXPECT_FALSE(choose_range(ValueStatistics(), CalibrationMethod::kMinMax, {}).has_value());
}

TEST(ChooseRange, SaysWhenThereIsNoHistogramToSearch) {
  ValueStatistics statistics;
  statistics.add_sample(10, {-1.0F, 2.0F});
  EXPECT_TRUE(choose_range(statistics, CalibrationMethod::kMinMax, {}).has_value());
  EXPECT_TRUE(test::throws(ErrorCode::kInvalidArgument,
                           [&] { choose_range(statistics, CalibrationMethod::kEntropy, {}); },
                           {"entropy", "minmax"}));
}

TEST(ChooseRange, ClippedIsTheShareOutside) {
  for (const CalibrationMethod method : kMethods) {
    const std::vector<float> elements = quantiles(kCount, test::laplace);
    const ChosenRange range = chosen(elements, method, {.percentile = 99.0});
    double outside = 0.0;
    double at_the_ends = 0.0;  // in the bins that the ends lie in
    for (const float x : elements) {
      if (x < range.range.min || x > range.range.max) ++outside;
      const double end = x < 0 ? range.range.min : range.range.max;
      if (std::abs(x - end) <= std::abs(end) / 256) ++at_the_ends;
    }
    EXPECT_NEAR(range.observation.clipped * static_cast<double>(kCount), outside, at_the_ends)
        << name_of(method);
  }
}

TEST(ChooseRange, DrawnHistogramHoldsEveryElement) {
  for (const std::vector<float>& elements : samples()) {
    const TensorObservation seen = chosen(elements, CalibrationMethod::kMse).observation;
    EXPECT_EQ(seen.histogram.size(), 32U);
    EXPECT_EQ(std::accumulate(seen.histogram.begin(), seen.histogram.end(), std::uint64_t{0}),
              elements.size());
    EXPECT_EQ(seen.elements, elements.size());
  }
}

TEST(ChooseRange, SqnrOfAUniformTensorIsSixDecibelsABit) {
  const auto elements = quantiles(kCount, test::uniform);
  // E[x^2] = 1/3 over (1/255)^2 / 12: 54.2 dB; a hundredth for the bins.
  const double expected = 10 * std::log10(4.0 * 255 * 255);
  EXPECT_NEAR(chosen(elements, CalibrationMethod::kMinMax).observation.sqnr_db.value(), expected,
              0.05);
}

TEST(AutoRange, IsTheWidestThatCostsNextToTheLeast) {
  for (const std::vector<float>& elements : samples()) {
    const ChosenRange best = chosen(elements, CalibrationMethod::kAuto);
    const CalibrationMethod tried[] = {CalibrationMethod::kMinMax, CalibrationMethod::kPercentile,
                                       CalibrationMethod::kEntropy, CalibrationMethod::kMse};
    double least = std::numeric_limits<double>::infinity();
    for (const CalibrationMethod method : tried)
      least = std::min(least, error_of(elements, chosen(elements, method).range));
    EXPECT_LE(error_of(elements, best.range), kAutoTolerance * least);
    for (const CalibrationMethod method : tried) {
      const TensorRange range = chosen(elements, method).range;
      if (error_of(elements, range) > kAutoTolerance * least) continue;
      EXPECT_LE(width_of(range), width_of(best.range)) << name_of(method);
    }
    EXPECT_EQ(chosen(elements, best.observation.method.value()).range, best.range);
  }
}

TEST(AutoRange, KeepsTheWholeRangeWhereClippingGainsLittle) {
  const ChosenRange range = chosen(quantiles(kCount, test::uniform), CalibrationMethod::kAuto);
  EXPECT_EQ(range.observation.method, CalibrationMethod::kMinMax);
}

TEST(AutoRange, ClipsWhereThatGainsMuch) {
  // The greatest of so many Laplace elements is 14; to clip at 9.9 halves the error.
  const std::vector<float> elements = quantiles(1 << 21, test::laplace);
  const ChosenRange range = chosen(elements, CalibrationMethod::kAuto);
  EXPECT_NE(range.observation.method, CalibrationMethod::kMinMax);
  EXPECT_GT(range.observation.clipped, 0.0);
}

TEST(ValueStatistics, OfPartsIsThatOfAllInAnyOrder) {
  std::vector<ValueStatistics> parts;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const float scale = std::ldexp(1.0F, static_cast<int>(seed * 7 % 12) - 6);
    parts.push_back(statistics_of(test::random_normals(100 + 50 * seed, seed, scale)));
  }
  ValueStatistics forward;
  ValueStatistics backward;
  ValueStatistics pairs;
  forward.histogram = backward.histogram = pairs.histogram = ValueHistogram();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    forward.merge(parts[i]);
    backward.merge(parts[parts.size() - 1 - i]);
  }
  for (std::size_t i = 0; i < parts.size(); i += 2) {
    ValueStatistics pair = parts[i + 1];
    pair.merge(parts[i]);
    pairs.merge(pair);
  }
  EXPECT_EQ(forward, backward);
  EXPECT_EQ(forward, pairs);
  EXPECT_EQ(forward.samples, parts.size());
}

TEST(FloatSum, DoesNotDependOnOrderWhereFloatsWould) {
  const std::vector<float> values{1e30F, 1.0F, -1e30F, 1e-30F, 3e38F, -3e38F};
  FloatSum forward;
  FloatSum backward;
  for (std::size_t i = 0; i < values.size(); ++i) {
    forward.add(values[i]);
    backward.add(values[values.size() - 1 - i]);
  }
  EXPECT_EQ(forward, backward);
  FloatSum mean;
  for (int i = 0; i < 3; ++i) mean.add(0.1F);
  EXPECT_EQ(static_cast<float>(mean.value() / 3), 0.1F);
}

}  // namespace
}  // namespace planish
