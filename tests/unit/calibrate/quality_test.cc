// Whether calibration samples are enough, and any good.
#include "planish/calibrate/quality.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "planish/base/json.h"
#include "support/fake_dataset.h"
#include "support/graph_builder.h"
#include "support/throws.h"

namespace planish {
namespace {

using test::FakeDataset;
using test::GraphBuilder;
using test::throws;

Model doubling() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"n"})
      .initializer<float>("two", {}, {2})
      .node("Mul", {"x", "two"}, {"y"})
      .output("y", DType::kFloat32, {"n"})
      .model();
}
const std::vector<std::string> kTensors{"x", "y"};

/// `count` elements, evenly in [-1, 1], in an order that `seed` gives.
Tensor even(std::size_t count, std::uint64_t seed, float scale = 1.0F) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = scale * (2.0F * static_cast<float>(i) / static_cast<float>(count - 1) - 1.0F);
  std::ranges::shuffle(values, std::mt19937_64(seed));
  return Tensor::of<float>({static_cast<std::int64_t>(count)}, values);
}

FakeDataset alike(std::size_t samples) {
  FakeDataset data("x");
  for (std::size_t i = 0; i < samples; ++i) data.add(even(256, i));
  return data;
}

CalibrationQuality assess(const FakeDataset& data, const CalibrateConfig& config = {},
                          const Dataset* other = nullptr) {
  return calibrate_and_assess(doubling(), data, kTensors, config, other).quality;
}

TEST(CalibrationQuality, RangesAreThoseOfCalibrate) {
  FakeDataset data = alike(7);
  data.add(even(256, 99, 4.0F));
  for (const CalibrationMethod method : {CalibrationMethod::kMinMax, CalibrationMethod::kAuto}) {
    const CalibrateConfig config{.method = method};
    const CalibrationTable plain = calibrate(doubling(), data, kTensors, config).table;
    const CalibrationTable assessed =
        calibrate_and_assess(doubling(), data, kTensors, config).calibration.table;
    EXPECT_EQ(assessed.ranges, plain.ranges);
    EXPECT_EQ(assessed.samples, plain.samples);
    EXPECT_EQ(assessed.data_sha256, plain.data_sha256);
    EXPECT_EQ(assessed.model_sha256, plain.model_sha256);
    EXPECT_EQ(assessed.method, plain.method);
  }
}

TEST(CalibrationQuality, OneOfManyLikeSamplesIsEnough) {
  const CalibrationQuality quality = assess(alike(20));
  std::vector<std::size_t> counts;
  for (const ConvergencePoint& point : quality.convergence) {
    counts.push_back(point.samples);
    EXPECT_EQ(point.worst_loss_db, 0.0);  // each holds both ends
  }
  EXPECT_EQ(counts, (std::vector<std::size_t>{1, 2, 4, 8, 16, 20}));
  EXPECT_EQ(quality.enough, 1U);
  EXPECT_TRUE(quality.has_settled());
}

TEST(CalibrationQuality, SamplesThatGoOnGrowingDoNotSettle) {
  FakeDataset data("x");
  for (std::size_t i = 0; i < 16; ++i)
    data.add(even(256, i, std::ldexp(1.0F, static_cast<int>(i))));
  const CalibrationQuality quality = assess(data);
  // The widest sample holds three quarters of the power. A range of half its width leaves half of
  // its elements short by a quarter of it on average.
  EXPECT_GT(quality.convergence.front().p95_loss_db, 10.0);
  EXPECT_GT(quality.enough, 1U);
  EXPECT_FALSE(quality.convergence.front().worst_tensor.empty());
}

TEST(CalibrationQuality, NamesSamplesThatRepeatOthersOrHoldNothing) {
  FakeDataset data = alike(3);
  data.add(even(256, 1));                                             // sample_1 again
  data.add(Tensor::of<float>({256}, std::vector<float>(256, 0.5F)));  // constant
  const CalibrationQuality quality = assess(data);
  EXPECT_EQ(quality.duplicates, (std::vector<std::vector<std::string>>{{"sample_1", "sample_3"}}));
  EXPECT_EQ(quality.constant, (std::vector<std::string>{"sample_4"}));
}

TEST(CalibrationQuality, RecommendsCuttingOffAnOutlierThatSpoilsAllSteps) {
  // One element of four millions is 40, the others are normal. Steps for all of them make an error
  // of (44 / 255)^2 / 12 = 2.5e-3; up to 6, (12 / 255)^2 / 12 + 34^2 / 4e6 = 4.7e-4: 7 dB less.
  std::vector<float> values(100'000);
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal(0.0F, 1.0F);
  for (float& value : values) value = normal(random);
  const Tensor common = Tensor::of<float>({100'000}, values);
  values[7] = 40.0F;
  FakeDataset data("x", std::vector<Tensor>(39, common));
  data.add(Tensor::of<float>({100'000}, values));
  const CalibrationQuality quality = assess(data);
  ASSERT_EQ(quality.tensors.size(), 2U);
  for (const TensorQuality& tensor : quality.tensors) {
    EXPECT_NE(tensor.recommended, CalibrationMethod::kMinMax) << tensor.tensor;
    EXPECT_GT(tensor.sqnr_db, tensor.minmax_sqnr_db + 3.0);
    EXPECT_GT(tensor.clipped, 0.0);
  }
}

TEST(CalibrationQuality, SamplesLikeTheCalibrationSetHaveNotDrifted) {
  const FakeDataset other = alike(5);
  const CalibrationQuality quality = assess(alike(8), {}, &other);
  ASSERT_TRUE(quality.drift);
  EXPECT_EQ(quality.drift->samples, 5U);
  EXPECT_FALSE(quality.drift->has_drifted());
  for (const TensorDrift& tensor : quality.drift->tensors) {
    EXPECT_EQ(tensor.loss_db, 0.0);
    EXPECT_EQ(tensor.clipped, 0.0);
  }
}

TEST(CalibrationQuality, WiderSamplesAreCutOffAndNarrowerOnesLoseSteps) {
  FakeDataset wider("x", {even(4096, 1, 8.0F)});
  const CalibrationQuality cut = assess(alike(8), {}, &wider);
  ASSERT_TRUE(cut.drift);
  EXPECT_TRUE(cut.drift->has_drifted());
  // Of elements spread evenly over [-8, 8], seven eighths lie outside of [-1, 1]; the ends share a
  // bin with the elements beside them.
  EXPECT_NEAR(cut.drift->tensors.front().clipped, 7.0 / 8, 0.01);
  FakeDataset narrower("x", {even(4096, 1, 1.0F / 32)});
  const CalibrationQuality coarse = assess(alike(8), {}, &narrower);
  ASSERT_TRUE(coarse.drift);
  EXPECT_TRUE(coarse.drift->has_drifted());
  EXPECT_EQ(coarse.drift->tensors.front().clipped, 0.0);
  // Steps 32 times as wide: 30 dB; the even spread makes the error exact to well within 3 dB.
  EXPECT_NEAR(coarse.drift->tensors.front().loss_db, 20.0 * std::log10(32.0), 3.0);
}

TEST(CalibrationQuality, SamplesThatCannotBeReadAreLeftOutAsAsked) {
  FakeDataset data = alike(4);
  data.add_broken();
  const auto result =
      calibrate_and_assess(doubling(), data, kTensors, {.on_bad_sample = OnBadSample::kSkip});
  EXPECT_EQ(result.calibration.bad_samples.size(), 1U);
  EXPECT_EQ(result.quality.samples, 4U);
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { assess(data); }, {"sample_4"}));
}

TEST(CalibrationQuality, WithoutSamplesIsAnError) {
  const FakeDataset none("x");
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { assess(none); }, {"no samples"}));
}

TEST(CalibrationQuality, AsJsonHasEveryPart) {
  const FakeDataset other = alike(2);
  const Json json = to_json(assess(alike(4), {}, &other));
  for (const char* member : {"samples", "enough", "settled", "duplicates", "constant",
                             "convergence", "tensors", "drift"})
    EXPECT_TRUE(json.contains(member)) << member;
  EXPECT_EQ(json["convergence"].size(), 3U);
  EXPECT_EQ(json["drift"]["tensors"].size(), 2U);
}

}  // namespace
}  // namespace planish
