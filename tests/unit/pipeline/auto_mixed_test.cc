// What `auto` does when no model of full INT8 is accurate enough.
#include <gtest/gtest.h>

#include <algorithm>

#include "planish/pipeline/auto.h"
#include "planish/sensitivity/search.h"
#include "support/paths.h"

namespace planish {
namespace {

AutoReport run(double min_cosine, bool mixed_precision = true) {
  const auto example = test::source_folder() / "examples/cifar10";
  AutoConfig config;
  config.data = example / "calibration";
  config.eval_data = example / "evaluation";
  config.preprocess = load_preprocess_spec((example / "preprocess.json").string());
  config.max_calibration_samples = 16;
  config.max_eval_samples = 40;
  config.thresholds = {.max_drop = 0.1, .min_cosine = min_cosine};
  config.bench_seconds = 0.05;
  config.remedies = false;
  config.mixed_precision = mixed_precision;
  return run_auto(example / "resnet8x4.onnx", config).report;
}

std::size_t count_mixed(const AutoReport& report) {
  return static_cast<std::size_t>(
      std::ranges::count_if(report.candidates, [](const auto& c) { return c.mixed.has_value(); }));
}

// Full INT8 loses about 6e-5 of the cosine on these samples.
constexpr double kStrict = 0.99997;

TEST(AutoMixed, LayersThatLoseMostStayInFp32) {
  const AutoReport report = run(kStrict);
  ASSERT_TRUE(report.sensitivity);
  EXPECT_LE(count_mixed(report), MixedSearchConfig{}.max_trials);
  bool any_accurate = false;
  for (const CandidateReport& candidate : report.candidates) {
    ASSERT_TRUE(candidate.accuracy) << candidate.name;
    const bool is_accurate = judge(*candidate.accuracy, report.config.thresholds).accepted();
    if (!candidate.mixed) {
      EXPECT_FALSE(is_accurate) << candidate.name;
      continue;
    }
    any_accurate |= is_accurate;
    EXPECT_FALSE(candidate.mixed->layers.empty());
    for (const std::string& layer : candidate.mixed->layers) {
      const auto kept = std::ranges::find(candidate.kept_fp32, layer, &LeftNode::node);
      ASSERT_NE(kept, candidate.kept_fp32.end()) << layer;
      EXPECT_TRUE(kept->reason.starts_with("accuracy: ")) << kept->reason;
    }
  }
  EXPECT_TRUE(any_accurate);
}

TEST(AutoMixed, AnalysisAndTrialsTakeNoMoreThanTenEvaluations) {
  const AutoReport report = run(kStrict);
  ASSERT_TRUE(report.sensitivity);
  const double evaluations =
      report.sensitivity->cost.inferences / 40.0 + static_cast<double>(count_mixed(report));
  EXPECT_LE(evaluations, 10.0);
}

TEST(AutoMixed, NothingIsHandedOutThatIsNotWithinTheThresholds) {
  const AutoReport report = run(1.5);  // what no cosine is
  EXPECT_FALSE(report.chosen);
  ASSERT_FALSE(report.front.empty());
  EXPECT_EQ(report.front.back().precision, Precision::kFp32);
  for (const FrontPoint& point : report.front)
    EXPECT_EQ(point.accepted, point.precision == Precision::kFp32) << point.name;
}

TEST(AutoMixed, IsNotSearchedWhenFullInt8IsAccurateOrNobodyWantsIt) {
  EXPECT_FALSE(run(0.99).sensitivity);
  EXPECT_FALSE(run(kStrict, false).sensitivity);
}

}  // namespace
}  // namespace planish
