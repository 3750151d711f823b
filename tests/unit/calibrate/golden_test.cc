// What the calibrators of the onnxruntime 1.32 Python package made of the same elements, where both
// define the same: tests/golden/calibrate/make_golden.py.
#include <gtest/gtest.h>

#include <cmath>

#include "calibrate/choose_range.h"
#include "calibrate/range_search.h"
#include "distributions.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "support/paths.h"

namespace planish {
namespace {

constexpr int kSamples = 16;
constexpr int kSize = 4096;

const Json& golden() {
  static const Json json =
      parse_json(read_file(test::test_data_folder() / "calibrate/golden.json"));
  return json;
}

/// The formulas of make_golden.py.
std::vector<float> sample(const std::string& kind, int number) {
  std::vector<float> elements;
  for (std::int64_t i = number * kSize; i < (number + 1) * kSize; ++i) {
    const double share = static_cast<double>((i * 40503 + 12345) % 65536) / 65536.0;
    const double t = 2.0 * share - 1.0;
    const double cube = t * t * t * 5.0;
    double value = share;
    if (kind == "peaked") value = cube;
    if (kind == "rectified") value = std::max(cube, 0.0);
    if (kind == "heavy") value = t / (1.0001 - std::abs(t));
    elements.push_back(static_cast<float>(value * (1.0 + static_cast<double>(number % 5) / 4.0)));
  }
  return elements;
}

ValueStatistics statistics_of(const std::string& kind) {
  ValueStatistics statistics;
  statistics.histogram = ValueHistogram();
  for (int i = 0; i < kSamples; ++i) statistics.merge(test::statistics_of(sample(kind, i)));
  return statistics;
}

TensorRange range_of(const std::string& kind, CalibrationMethod method,
                     const RangeOptions& options = {}) {
  return choose_range(statistics_of(kind), method, options).value().range;
}

TEST(CalibrationGolden, MinMaxIsThePeers) {
  for (const Json& one : golden()["minmax"]) {
    const TensorRange range = range_of(one["kind"], CalibrationMethod::kMinMax);
    EXPECT_EQ(range.min, one["min"].get<float>()) << one;
    EXPECT_EQ(range.max, one["max"].get<float>()) << one;
  }
}

TEST(CalibrationGolden, MovingAverageIsThePeers) {
  for (const Json& one : golden()["moving_average"]) {
    const TensorRange range = range_of(one["kind"], CalibrationMethod::kMovingAverage);
    // The peer adds up float32 numbers: 16 additions, each of a sum that is at most 16 times the
    // greatest, to 2^-24.
    const double tolerance = std::ldexp(16.0 * 2, -24);
    const double greatest = std::max(std::abs(range.min), std::abs(range.max)) * 2;
    EXPECT_NEAR(range.min, one["min"].get<double>(), tolerance * greatest) << one;
    EXPECT_NEAR(range.max, one["max"].get<double>(), tolerance * greatest) << one;
  }
}

TEST(CalibrationGolden, PercentileIsThePeersToWithinABinOfEach) {
  for (const Json& one : golden()["percentile"]) {
    RangeOptions options{.percentile = one["percentile"], .symmetric = one["symmetric"]};
    const TensorRange range = range_of(one["kind"], CalibrationMethod::kPercentile, options);
    // The peer's is the lower edge of the bin that holds the answer, ours the outer edge of ours.
    const auto tolerance = [&](float end) {
      return one["bin_width"].get<double>() + std::abs(end) / 256;
    };
    EXPECT_NEAR(range.max, one["max"].get<double>(), tolerance(range.max)) << one;
    // The peer cuts a symmetric range off at the least element.
    if (options.symmetric) continue;
    EXPECT_NEAR(range.min, one["min"].get<double>(), tolerance(range.min)) << one;
  }
}

/// dense_histogram() of make_golden.py.
std::vector<std::uint64_t> dense_counts() {
  std::vector<std::uint64_t> counts;
  for (std::int64_t i = 0; i < 2048; ++i)
    counts.push_back(
        static_cast<std::uint64_t>(1 + i * 37 % 101 + 4000 / (1 + std::abs(i - 1024) / 8)));
  for (std::size_t start = 0; start < counts.size(); start += 16) {
    std::uint64_t sum = 0;
    for (std::size_t i = start; i < start + 16; ++i) sum += counts[i];
    counts[start] += (16 - sum % 16) % 16;
  }
  return counts;
}

TEST(CalibrationGolden, DivergenceIsThePeersWhereItRoundsNothing) {
  const auto counts = dense_counts();
  const double divergence = EntropySearch(counts, 0, 128).divergence(0, counts.size());
  // The peer's distributions are float32: each of 2048 terms p log(p / q) is off by 2^-22 p or so.
  const double peers = golden()["whole_window_divergence"];
  EXPECT_NEAR(divergence, peers, std::ldexp(1.0, -22));
}

TEST(CalibrationGolden, DivergencesAreThoseOfScipy) {
  for (const Json& one : golden()["divergences"]) {
    auto counts = dense_counts();
    if (one["sparse"].get<bool>()) {
      for (std::size_t i = 0; i < counts.size(); ++i)
        if (i * 13 % 7 == 0) counts[i] = 0;
    }
    const EntropySearch search(counts, one["zeros"], one["levels"]);
    const double divergence = search.divergence(one["begin"], one["end"]);
    if (one["divergence"].is_null()) {
      EXPECT_TRUE(std::isinf(divergence)) << one;
    } else {
      // 2048 terms in float64.
      EXPECT_NEAR(divergence, one["divergence"].get<double>(), 2048 * std::ldexp(1.0, -50)) << one;
    }
  }
}

}  // namespace
}  // namespace planish
