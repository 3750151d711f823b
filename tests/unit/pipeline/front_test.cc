// The Pareto front of latency and accuracy.
#include "pipeline/front.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace planish {
namespace {

CandidateReport candidate(const std::string& name, double speed_up, double agreement,
                          double cosine) {
  CandidateReport report{.name = name, .precision = Precision::kInt8};
  report.bench = BenchResult{.name = name};
  report.bench->latency_ms.p50 = 10.0 / speed_up;
  report.speed_up = {speed_up, speed_up, speed_up};
  report.accuracy = AccuracyReport{.samples = 100, .is_classifier = true};
  report.accuracy->top1_agreement = agreement;
  report.accuracy->cosine_mean = cosine;
  return report;
}

AutoReport report_of(std::vector<CandidateReport> candidates) {
  AutoReport report;
  report.baseline.name = "fp32";
  report.baseline.bench = BenchResult{.name = "fp32"};
  report.baseline.bench->latency_ms.p50 = 10.0;
  report.candidates = std::move(candidates);
  report.config.thresholds = {.max_drop = 0.01, .min_cosine = 0.99};
  return report;
}

std::vector<std::string> names_of(const std::vector<FrontPoint>& front) {
  std::vector<std::string> names;
  for (const FrontPoint& point : front) names.push_back(point.name);
  return names;
}

TEST(ParetoFront, HoldsWhatNothingBeatsInSpeedAndAccuracyFastestFirst) {
  const AutoReport report =
      report_of({candidate("coarse", 3.0, 0.9, 0.97), candidate("beaten", 2.0, 0.95, 0.98),
                 candidate("mixed", 2.5, 0.995, 0.995)});
  EXPECT_EQ(names_of(pipeline::pareto_front(report)),
            (std::vector<std::string>{"coarse", "mixed", "fp32"}));
}

TEST(ParetoFront, SaysWhatIsWithinTheThresholdsAndWhatWasChosen) {
  AutoReport report =
      report_of({candidate("coarse", 3.0, 0.9, 0.97), candidate("mixed", 2.5, 0.995, 0.995)});
  report.chosen = 1;
  const auto front = pipeline::pareto_front(report);
  ASSERT_EQ(front.size(), 3U);
  EXPECT_FALSE(front[0].accepted);
  EXPECT_TRUE(front[1].accepted && front[1].chosen);
  EXPECT_TRUE(front[2].accepted);  // FP32 itself
  EXPECT_NEAR(front[0].loss, 0.1, 1e-12);
}

TEST(ParetoFront, LeavesOutWhatIsSlowerThanFp32) {
  const AutoReport report = report_of({candidate("slow", 0.9, 1.0, 1.0)});
  EXPECT_EQ(names_of(pipeline::pareto_front(report)), (std::vector<std::string>{"fp32"}));
}

TEST(ParetoFront, LeavesOutWhatWasNotMeasuredOrIsNotFinite) {
  CandidateReport refused = candidate("refused", 9.0, 1.0, 1.0);
  refused.bench.reset();
  CandidateReport broken = candidate("broken", 9.0, 1.0, 1.0);
  broken.accuracy->non_finite.push_back({.name = "sample"});
  EXPECT_EQ(names_of(pipeline::pareto_front(report_of({refused, broken}))),
            (std::vector<std::string>{"fp32"}));
}

TEST(LossOf, IsOfAccuracyWithLabelsElseOfAgreementElseOfTheCosine) {
  AccuracyReport report;
  report.cosine_mean = 0.98;
  EXPECT_NEAR(pipeline::loss_of(report), 0.02, 1e-12);
  report.top1_agreement = 0.95;
  EXPECT_NEAR(pipeline::loss_of(report), 0.05, 1e-12);
  report.fp32_top1 = 0.9;
  report.int8_top1 = 0.91;
  EXPECT_EQ(pipeline::loss_of(report), 0.0);
}

}  // namespace
}  // namespace planish
