#include "planish/bench/bench.h"

#include <gtest/gtest.h>

#include "planish/base/error.h"

namespace planish {
namespace {

/// Time that passes only when a subject says so.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::nanoseconds now() const override { return now_; }
  void advance_ms(double milliseconds) {
    now_ += std::chrono::nanoseconds(static_cast<std::int64_t>(milliseconds * 1e6));
  }

 private:
  std::chrono::nanoseconds now_{0};
};

BenchSubject takes(FakeClock& clock, std::string name, double milliseconds) {
  return {std::move(name), [&clock, milliseconds] { clock.advance_ms(milliseconds); }};
}

constexpr BenchConfig kShort{
    .seconds = 0.1, .min_runs = 4, .warmup_runs = 1, .warmup_seconds = 0.0};

TEST(Quantile, InterpolatesBetweenNeighbours) {
  const std::vector<double> values{1, 2, 3, 4};
  EXPECT_DOUBLE_EQ(quantile(values, 0.0), 1.0);
  EXPECT_DOUBLE_EQ(quantile(values, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile(values, 1.0), 4.0);
  EXPECT_DOUBLE_EQ(quantile({}, 0.5), 0.0);
}

TEST(Summarize, CountsEveryRun) {
  const LatencySummary summary = summarize(std::vector<double>{3, 1, 2, 100});
  EXPECT_EQ(summary.count, 4U);
  EXPECT_DOUBLE_EQ(summary.min, 1.0);
  EXPECT_DOUBLE_EQ(summary.max, 100.0);
  EXPECT_DOUBLE_EQ(summary.mean, 26.5);
  EXPECT_DOUBLE_EQ(summary.p50, 2.5);
}

TEST(EstimateMedian, IntervalHoldsTheMedianAndNarrowsWithMoreValues) {
  std::vector<double> few;
  std::vector<double> many;
  for (int i = 0; i < 10; ++i) few.push_back(i % 10);
  for (int i = 0; i < 1000; ++i) many.push_back(i % 10);
  const RatioEstimate wide = estimate_median(few);
  const RatioEstimate narrow = estimate_median(many);
  EXPECT_LE(wide.low, wide.median);
  EXPECT_GE(wide.high, wide.median);
  EXPECT_LT(narrow.high - narrow.low, wide.high - wide.low);
}

TEST(BenchInterleaved, MeasuresEachSubjectWithTheGivenClock) {
  FakeClock clock;
  const std::vector<BenchSubject> subjects{takes(clock, "slow", 3.0), takes(clock, "fast", 1.0)};
  const BenchReport report = bench_interleaved(subjects, kShort, clock);
  ASSERT_EQ(report.results.size(), 2U);
  EXPECT_DOUBLE_EQ(report.results[0].latency_ms.p50, 3.0);
  EXPECT_DOUBLE_EQ(report.results[1].latency_ms.p99, 1.0);
  EXPECT_DOUBLE_EQ(report.results[1].qps, 1000.0);
  EXPECT_DOUBLE_EQ(speed_up(report.results[0], report.results[1]).median, 3.0);
}

TEST(BenchInterleaved, ADriftThatHitsAllLeavesTheSpeedUpAlone) {
  FakeClock clock;
  double slowness = 1.0;
  const auto drifting = [&](std::string name, double ms) {
    return BenchSubject{std::move(name), [&clock, &slowness, ms] {
                          clock.advance_ms(ms * slowness);
                          slowness *= 1.0005;
                        }};
  };
  const std::vector<BenchSubject> subjects{drifting("base", 2.0), drifting("candidate", 1.0)};
  const BenchReport report =
      bench_interleaved(subjects, {.seconds = 2.0, .warmup_seconds = 0.0}, clock);
  EXPECT_GT(report.results[0].drift, 0.1);
  // One turn (40 runs or fewer) drifts by at most 1.0005^62 - 1 = 3.1 % against its neighbour's.
  EXPECT_NEAR(speed_up(report.results[0], report.results[1]).median, 2.0, 2.0 * 0.032);
}

TEST(BenchInterleaved, SubjectsTakeTurnsSideBySide) {
  FakeClock clock;
  const std::vector<BenchSubject> subjects{takes(clock, "a", 30.0), takes(clock, "b", 1.0)};
  const BenchReport report = bench_interleaved(subjects, kShort, clock);
  EXPECT_EQ(report.results[0].turn_medians_ms.size(), report.results[1].turn_medians_ms.size());
}

TEST(BenchInterleaved, CountsItemsOfABatch) {
  FakeClock clock;
  std::vector<BenchSubject> subjects{takes(clock, "batch", 10.0)};
  subjects[0].items = 8;
  EXPECT_DOUBLE_EQ(bench_interleaved(subjects, kShort, clock).results[0].qps, 800.0);
}

TEST(BenchInterleaved, StopsWhenAsked) {
  FakeClock clock;
  std::stop_source stop;
  stop.request_stop();
  const std::vector<BenchSubject> subjects{takes(clock, "a", 1.0)};
  try {
    bench_interleaved(subjects, kShort, clock, {}, stop.get_token());
    FAIL() << "not interrupted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
}

Sample sample_of(std::string name, std::vector<std::int64_t> dims,
                 const std::vector<float>& values) {
  return Sample{std::move(name), {NamedTensor{"x", Tensor::of<float>(std::move(dims), values)}}};
}

TEST(StackSamples, JoinsAlongTheFirstDimensionAndCycles) {
  const std::vector<Sample> samples{sample_of("a", {1, 2}, {1, 2}), sample_of("b", {1, 2}, {3, 4})};
  const auto inputs = stack_samples(samples, 3);
  ASSERT_EQ(inputs.size(), 1U);
  EXPECT_EQ(inputs[0].value, (Tensor::of<float>({3, 2}, std::vector<float>{1, 2, 3, 4, 1, 2})));
}

TEST(StackSamples, NamesSamplesThatDoNotFitTogether) {
  const std::vector<Sample> samples{sample_of("a", {1, 2}, {1, 2}), sample_of("b", {1, 1}, {3})};
  try {
    stack_samples(samples, 2);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(error.message().find("'b'"), std::string::npos);
  }
}

TEST(RandomInputs, FitTheSignature) {
  Signature signature;
  signature.inputs = {TensorSpec{"image", DType::kFloat32, {Dim("batch"), Dim(3), Dim("h")}},
                      TensorSpec{"ids", DType::kInt64, {Dim("batch"), Dim(4)}}};
  const auto inputs = random_inputs(signature, 2, 5);
  EXPECT_EQ(inputs[0].value.dims(), (std::vector<std::int64_t>{2, 3, 5}));
  for (const float value : inputs[0].value.values<float>()) {
    EXPECT_GE(value, 0.0F);
    EXPECT_LT(value, 1.0F);
  }
  for (const std::int64_t value : inputs[1].value.values<std::int64_t>()) {
    EXPECT_TRUE(value == 0 || value == 1);
  }
}

TEST(RandomInputs, AreRepeatable) {
  Signature signature;
  signature.inputs = {TensorSpec{"x", DType::kFloat32, {Dim("n"), Dim(8)}}};
  EXPECT_EQ(random_inputs(signature, 1)[0].value, random_inputs(signature, 1)[0].value);
}

}  // namespace
}  // namespace planish
