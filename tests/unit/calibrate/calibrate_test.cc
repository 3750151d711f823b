#include "planish/calibrate/calibrate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
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

TEST(Calibrate, DoesNotDependOnThreads) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {"n", 8, "h", "w"})
                          .initializer("w", test::random_tensor({16, 8, 3, 3}, 1))
                          .node("Conv", {"x", "w"}, {"conv"})
                          .node("Sigmoid", {"conv"}, {"y"})
                          .output("y", DType::kFloat32, {"n", 16, "h2", "w2"})
                          .model();
  FakeDataset data("x");
  for (std::uint64_t i = 0; i < 40; ++i) {
    const auto size = static_cast<std::int64_t>(4 + i % 5);
    data.add(test::random_tensor({static_cast<std::int64_t>(1 + i % 3), 8, size, 5}, i));
  }
  const std::vector<std::string> tensors{"conv", "y"};
  const CalibrationTable one = calibrate(model, data, tensors, {.threads = 1}).table;
  EXPECT_EQ(calibrate(model, data, tensors, {.threads = 4}).table, one);
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

TEST(Calibrate, RefusesMethodsOfLaterVersions) {
  FakeDataset data("x", {floats({1})});
  EXPECT_TRUE(throws(ErrorCode::kUnsupported,
                     [&] { calibrate_doubling(data, {.method = CalibrationMethod::kEntropy}); },
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
