#include "planish/calibrate/calibrate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "planish/base/error.h"
#include "planish/onnx/onnx.h"
#include "support/fake_dataset.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish {
namespace {

using test::FakeDataset;
using test::GraphBuilder;
using test::throws;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Tensor floats(std::vector<float> values) {
  const auto count = static_cast<std::int64_t>(values.size());
  return Tensor::of<float>({count}, values);
}

// y = 2 x, z = max(y, 0): exact, so that ranges are too.
Model doubling() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"n"})
      .initializer<float>("two", {}, {2})
      .node("Mul", {"x", "two"}, {"y"})
      .node("Relu", {"y"}, {"z"})
      .output("z", DType::kFloat32, {"n"})
      .model();
}

const std::vector<std::string> kTensors{"x", "y", "z"};

CalibrationReport calibrate_doubling(const FakeDataset& data, const CalibrateConfig& config = {}) {
  return calibrate(doubling(), data, kTensors, config);
}

TEST(Calibrate, FindsTheLeastAndTheGreatestElementOfAllSamples) {
  FakeDataset data("x", {floats({-1, 2, 3}), floats({-4, 1}), floats({0.5F})});
  const CalibrationTable table = calibrate_doubling(data).table;
  EXPECT_EQ(table.find("x"), (TensorRange{-4, 3}));
  EXPECT_EQ(table.find("y"), (TensorRange{-8, 6}));
  EXPECT_EQ(table.find("z"), (TensorRange{0, 6}));
}

TEST(Calibrate, FindsAnExtremeAtEveryPosition) {
  // Vectors, their remainders and what lies between are all looked at.
  for (std::size_t size = 1; size <= 40; ++size) {
    for (std::size_t place = 0; place < size; ++place) {
      std::vector<float> values(size, 0.5F);
      values[place] = -3.0F;
      FakeDataset data("x", {floats(values)});
      ASSERT_EQ(calibrate_doubling(data).table.find("x")->min, -3.0F) << size << " " << place;
    }
    if (size > 4) size += 4;
  }
}

TEST(Calibrate, SaysWhatTheRangesWereMadeFrom) {
  FakeDataset data("x", {floats({1}), floats({2})});
  const CalibrationTable table = calibrate_doubling(data).table;
  EXPECT_EQ(table.samples, 2U);
  EXPECT_EQ(table.model_sha256, digest_of(doubling()));
  EXPECT_EQ(table.data_sha256, data.digest());
  EXPECT_EQ(table.method, CalibrationMethod::kMinMax);
}

/// Convolution and sigmoid of images of many shapes.
Model small_network() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"n", 8, "h", "w"})
      .initializer("w", test::random_tensor({16, 8, 3, 3}, 1))
      .node("Conv", {"x", "w"}, {"conv"})
      .node("Sigmoid", {"conv"}, {"y"})
      .output("y", DType::kFloat32, {"n", 16, "h2", "w2"})
      .model();
}
const std::vector<std::string> kNetworkTensors{"x", "conv", "y"};

std::vector<Tensor> ragged_samples(std::size_t count) {
  std::vector<Tensor> samples;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto size = static_cast<std::int64_t>(4 + i % 5);
    samples.push_back(test::random_tensor({static_cast<std::int64_t>(1 + i % 3), 8, size, 5}, i,
                                          -1.0F, static_cast<float>(1 + i % 7)));
  }
  return samples;
}

constexpr CalibrationMethod kMethods[] = {
    CalibrationMethod::kMinMax,     CalibrationMethod::kMovingAverage, CalibrationMethod::kEntropy,
    CalibrationMethod::kPercentile, CalibrationMethod::kMse,           CalibrationMethod::kAuto};

TEST(Calibrate, DependsOnTheSamplesAloneBitForBit) {
  const Model model = small_network();
  const std::vector<Tensor> samples = ragged_samples(40);
  const FakeDataset data("x", samples);
  Calibrator all(model, kNetworkTensors, {.method = CalibrationMethod::kAuto, .threads = 1});
  all.observe(data);
  for (const int threads : {1, 4}) {
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      SCOPED_TRACE("threads " + std::to_string(threads) + " seed " + std::to_string(seed));
      std::vector<Tensor> shuffled = samples;
      std::mt19937_64 random(seed);
      std::ranges::shuffle(shuffled, random);
      Calibrator parts(model, kNetworkTensors,
                       {.method = CalibrationMethod::kAuto, .threads = threads});
      while (!shuffled.empty()) {
        const auto size = std::min<std::size_t>(1 + random() % 20, shuffled.size());
        parts.observe(
            FakeDataset("x", {shuffled.end() - static_cast<std::ptrdiff_t>(size), shuffled.end()}));
        shuffled.resize(shuffled.size() - size);
      }
      for (const CalibrationMethod method : kMethods) {
        CalibrationTable table = parts.table(method);
        table.data_sha256 = data.digest();
        EXPECT_EQ(table, all.table(method)) << name_of(method);
      }
    }
  }
}

TEST(Calibrate, IsACalibratorThatSeesAllAtOnce) {
  const FakeDataset data("x", ragged_samples(10));
  for (const CalibrationMethod method : kMethods) {
    const RangeOptions options{.percentile = 99.0, .symmetric = true};
    Calibrator calibrator(small_network(), kNetworkTensors, {.method = method});
    calibrator.observe(data);
    EXPECT_EQ(
        calibrate(small_network(), data, kNetworkTensors, {.method = method, .options = options})
            .table,
        calibrator.table(method, options));
  }
}

TEST(Calibrate, RangesCanBeAskedForBetweenSamples) {
  Calibrator calibrator(doubling(), kTensors);
  calibrator.observe(FakeDataset("x", {floats({-1, 2})}));
  EXPECT_EQ(calibrator.table(CalibrationMethod::kMinMax).find("x"), (TensorRange{-1, 2}));
  EXPECT_EQ(calibrator.table(CalibrationMethod::kMinMax).samples, 1U);
  calibrator.observe(FakeDataset("x", {floats({3}), floats({-5, 0})}));
  EXPECT_EQ(calibrator.table(CalibrationMethod::kMinMax).find("x"), (TensorRange{-5, 3}));
  EXPECT_EQ(calibrator.table(CalibrationMethod::kMinMax).samples, 3U);
}

TEST(Calibrate, AFailedPartCountsForNothing) {
  Calibrator calibrator(doubling(), kTensors, {.method = CalibrationMethod::kMse});
  calibrator.observe(FakeDataset("x", {floats({-1, 2})}));
  const CalibrationTable before = calibrator.table(CalibrationMethod::kMse);
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] {
    calibrator.observe(FakeDataset("x", {floats({100}), floats({kNan})}));
  }));
  EXPECT_EQ(calibrator.table(CalibrationMethod::kMse), before);
}

TEST(Calibrate, MovingAverageIsTheMeanOverSamples) {
  const FakeDataset data("x", {floats({-1, 2, 3}), floats({-4, 1}), floats({-1, 5})});
  const CalibrationTable table =
      calibrate_doubling(data, {.method = CalibrationMethod::kMovingAverage}).table;
  EXPECT_EQ(table.find("x"), (TensorRange{-2, 3}));
  EXPECT_EQ(table.find("y"), (TensorRange{-4, 6}));
}

TEST(Calibrate, RecordsWhatEachTensorHeld) {
  const FakeDataset data("x", {floats({-1, 2, 3}), floats({-4, 1})});
  const CalibrationTable table =
      calibrate_doubling(data, {.method = CalibrationMethod::kAuto}).table;
  ASSERT_EQ(table.observations.size(), kTensors.size());
  const TensorObservation& seen = table.observations.at("x");
  EXPECT_EQ(seen.observed, (TensorRange{-4, 3}));
  EXPECT_EQ(seen.elements, 5U);
  EXPECT_TRUE(seen.method.has_value());
  EXPECT_EQ(table.options, RangeOptions());
}

TEST(Calibrate, RefusesOptionsBeforeItRunsAnything) {
  FakeDataset data("x");
  data.add_broken();
  const auto with = [&](const RangeOptions& options) {
    return [&data, options] { calibrate_doubling(data, {.options = options}); };
  };
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, with({.percentile = 0.0}), {"percentile"}));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, with({.percentile = 101.0}), {"percentile"}));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, with({.bins = 1000}), {"1000 bins"}));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, with({.bins = 4096}), {"4096 bins"}));
  EXPECT_TRUE(throws(ErrorCode::kUnsupported, with({.activation = DType::kFloat32})));
}

TEST(Calibrate, NamesSampleAndTensorOfNonFiniteValues) {
  for (const float bad : {kNan, kInfinity, -kInfinity}) {
    for (const std::size_t place : {std::size_t{0}, std::size_t{17}, std::size_t{36}}) {
      std::vector<float> values(37, 1.0F);
      values[place] = bad;
      FakeDataset data("x", {floats({1}), floats(values), floats({2})});
      EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { calibrate_doubling(data); },
                         {"sample_1", "'x'", "of 37 elements"}));
    }
  }
}

TEST(Calibrate, NamesTheTensorWhereAnInfinityComesUp) {
  FakeDataset data("x", {floats({1}), floats({3e38F})});
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { calibrate_doubling(data); },
                     {"sample_1", "'y'", "1 infinite of 1 elements"}));
}

TEST(Calibrate, SkippingBadSamplesDoesNotSkipNonFiniteValues) {
  FakeDataset data("x", {floats({1}), floats({kNan})});
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument,
                     [&] { calibrate_doubling(data, {.on_bad_sample = OnBadSample::kSkip}); }));
}

TEST(Calibrate, AcceptsTheGreatestFiniteValue) {
  constexpr float kMax = std::numeric_limits<float>::max();
  FakeDataset data("x", {floats({kMax, -kMax})});
  const std::vector<std::string> tensors{"x"};
  EXPECT_EQ(calibrate(doubling(), data, tensors).table.find("x"), (TensorRange{-kMax, kMax}));
}

TEST(Calibrate, HasNoNegativeZero) {
  FakeDataset data("x", {floats({-0.0F})});
  EXPECT_FALSE(std::signbit(calibrate_doubling(data).table.find("x")->min));
}

TEST(Calibrate, FailsOnABadSampleOrLeavesItOutByName) {
  FakeDataset data("x", {floats({1})});
  data.add_broken();
  data.add(floats({5}));
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { calibrate_doubling(data); }, {"sample_1"}));
  const auto report = calibrate_doubling(data, {.on_bad_sample = OnBadSample::kSkip});
  ASSERT_EQ(report.bad_samples.size(), 1U);
  EXPECT_EQ(report.bad_samples[0].name, "sample_1");
  EXPECT_EQ(report.table.samples, 2U);
  EXPECT_EQ(report.table.find("x"), (TensorRange{1, 5}));
}

TEST(Calibrate, FailsWhenAllSamplesAreBad) {
  FakeDataset data("x");
  data.add_broken();
  data.add_broken();
  EXPECT_TRUE(throws(ErrorCode::kCorrupt,
                     [&] { calibrate_doubling(data, {.on_bad_sample = OnBadSample::kSkip}); }));
}

TEST(Calibrate, ReportsTheFirstFailureWhateverTheThreads) {
  for (int run = 0; run < 20; ++run) {
    FakeDataset data("x");
    for (int i = 0; i < 3; ++i) data.add(floats(std::vector<float>(1000, 1)));
    for (int i = 0; i < 5; ++i) data.add_broken();
    EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { calibrate_doubling(data, {.threads = 4}); },
                       {"sample_3"}));
  }
}

TEST(Calibrate, LeavesTensorsWithoutElementsOut) {
  FakeDataset data("x", {Tensor::of<float>({0}, std::vector<float>{})});
  EXPECT_TRUE(calibrate_doubling(data).table.ranges.empty());
}

TEST(Calibrate, NamesATensorThatTheModelDoesNotHave) {
  FakeDataset data("x", {floats({1})});
  const std::vector<std::string> tensors{"nonsense"};
  EXPECT_TRUE(
      throws(ErrorCode::kNotFound, [&] { calibrate(doubling(), data, tensors); }, {"nonsense"}));
}

TEST(Calibrate, SaysThatAMinMaxCalibratorKeepsNoCounts) {
  Calibrator calibrator(doubling(), kTensors);
  calibrator.observe(FakeDataset("x", {floats({1})}));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument,
                     [&] { (void)calibrator.table(CalibrationMethod::kEntropy); },
                     {"entropy", "minmax"}));
}

TEST(Calibrate, TellsItsProgressInOrder) {
  FakeDataset data("x", {floats({1}), floats({2}), floats({3})});
  std::vector<std::uint64_t> done;
  const ProgressSink sink = [&](const ProgressEvent& event) {
    EXPECT_EQ(event.total, 3U);
    done.push_back(event.done);
  };
  calibrate(doubling(), data, kTensors, {.threads = 2}, sink);
  EXPECT_EQ(done, (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST(Calibrate, StopsOnRequest) {
  FakeDataset data("x", {floats({1})});
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(throws(ErrorCode::kCancelled,
                     [&] { calibrate(doubling(), data, kTensors, {}, {}, stop.get_token()); }));
}

}  // namespace
}  // namespace planish
