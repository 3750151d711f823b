// What `auto` does for a network whose channels are unlike each other: per-tensor ranges of its
// activations cost it half of its accuracy, and remedies win it back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "planish/base/file.h"
#include "planish/onnx/onnx.h"
#include "planish/optimize/tied_channels.h"
#include "planish/pipeline/auto.h"
#include "planish/prepare/prepare.h"
#include "support/paths.h"

namespace planish {
namespace {

/// The same function bit for bit: channels between layers are multiplied by powers of two, 2^-4 to
/// 2^4, which the layers behind divide out. It has no Clip, whose bounds would not scale.
Model widened(Model model) {
  constexpr std::uint64_t kSeed = 1;
  std::mt19937_64 random(kSeed);
  for (const TiedChannels& set : find_tied_channels(model.graph, model.opset())) {
    std::vector<double> factors(set.channels);
    for (double& factor : factors) factor = std::ldexp(1.0, static_cast<int>(random() % 9) - 4);
    scale_channels(model.graph, set, factors);
  }
  return model;
}

class AutoRemedies : public testing::Test {
 protected:
  AutoResult run(bool remedies) {
    const auto example = test::source_folder() / "examples/cifar10";
    const auto path = folder_.path() / "widened.onnx";
    save_model(widened(prepare(load_model(example / "resnet8x4.onnx")).model), path);
    AutoConfig config;
    config.data = example / "calibration";
    config.eval_data = example / "evaluation";
    config.labels = example / "labels.csv";
    config.preprocess = load_preprocess_spec((example / "preprocess.json").string());
    config.max_calibration_samples = 32;
    config.max_eval_samples = 100;
    config.thresholds.max_drop = 0.03;
    config.bench_seconds = 0.05;
    config.remedies = remedies;
    return run_auto(path, config);
  }

 private:
  TemporaryFolder folder_;
};

const CandidateReport* find(const AutoReport& report, std::string_view name) {
  for (const CandidateReport& candidate : report.candidates) {
    if (candidate.name == name) return &candidate;
  }
  return nullptr;
}

/// How fast a candidate is depends on the machine and what else it does; how accurate does not.
bool is_accurate(const CandidateReport& candidate, const AutoReport& report) {
  return judge(candidate.accuracy.value(), report.config.thresholds).accepted();
}

TEST_F(AutoRemedies, WinBackWhatUnlikeChannelsCost) {
  const AutoReport report = run(true).report;
  std::size_t remedied = 0;
  for (const CandidateReport& candidate : report.candidates) {
    ASSERT_TRUE(candidate.accuracy) << candidate.name;
    if (!candidate.remedies) {
      EXPECT_FALSE(is_accurate(candidate, report)) << candidate.name;
      EXPECT_LT(*candidate.accuracy->int8_top1, *candidate.accuracy->fp32_top1 - 0.3);
      continue;
    }
    ++remedied;
    const bool is_equalized = candidate.remedies->applied.front() == "equalization";
    EXPECT_EQ(is_accurate(candidate, report), is_equalized) << candidate.name;
    EXPECT_NE(find(report, candidate.remedies->of), nullptr) << candidate.remedies->of;
    if (is_equalized) {
      // Unremedied, noise is stronger than the signal; remedied, what 8 bits leave of like
      // channels.
      EXPECT_GT(candidate.remedies->sqnr_gain_db, 20.0);
      EXPECT_GT(candidate.remedies->cosine_gain, 0.1);
    }
  }
  EXPECT_GE(remedied, 1U);
  // On a machine so busy that INT8 does not show its speed, FP32 is handed out.
  if (!report.chosen) return;
  ASSERT_TRUE(report.handed_out().remedies);
  EXPECT_EQ(report.handed_out().remedies->applied,
            (std::vector<std::string>{"equalization", "adaptive-rounding", "bias-correction"}));
  EXPECT_EQ(report.advice.end(),
            std::ranges::find(report.advice, "remedies-not-tried", &Advice::code));
  EXPECT_NE(report.advice.end(), std::ranges::find(report.advice, "remedies-used", &Advice::code));
}

TEST_F(AutoRemedies, AreLeftOutOnRequestAndMissed) {
  const AutoReport report = run(false).report;
  EXPECT_FALSE(report.chosen);
  for (const CandidateReport& candidate : report.candidates) EXPECT_FALSE(candidate.remedies);
  EXPECT_NE(report.advice.end(),
            std::ranges::find(report.advice, "remedies-not-tried", &Advice::code));
}

}  // namespace
}  // namespace planish
