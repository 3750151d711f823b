#include <gtest/gtest.h>

#include <limits>

#include "planish/base/json.h"
#include "planish/compare/compare.h"

namespace planish {
namespace {

AccuracyReport classifier(double agreement) {
  AccuracyReport report;
  report.samples = 100;
  report.is_classifier = true;
  report.top1_agreement = agreement;
  return report;
}

TEST(Judge, AcceptsADropThatIsExactlyTheLimit) {
  AccuracyReport report = classifier(0.9);  // with labels, agreement does not count
  report.labelled_samples = 100;
  report.fp32_top1 = 0.90;
  report.int8_top1 = 0.89;  // 0.90 - 0.89 > 0.01 in binary
  EXPECT_TRUE(judge(report, {}).accepted());
}

TEST(Judge, RejectsALargerDropWithBothNumbers) {
  AccuracyReport report = classifier(1.0);
  report.labelled_samples = 100;
  report.fp32_top1 = 0.90;
  report.int8_top1 = 0.88;
  const Verdict verdict = judge(report, {});
  ASSERT_EQ(verdict.failures.size(), 1U);
  EXPECT_NE(verdict.failures[0].find("90.00 % to 88.00 %"), std::string::npos);
}

TEST(Judge, WithoutLabelsAgreementCounts) {
  EXPECT_TRUE(judge(classifier(0.99), {}).accepted());
  const Verdict verdict = judge(classifier(0.98), {});
  ASSERT_EQ(verdict.failures.size(), 1U);
  EXPECT_NE(verdict.failures[0].find("98.00 %"), std::string::npos);
}

TEST(Judge, RejectsALowCosineOfAnyModel) {
  AccuracyReport report;
  report.samples = 1;
  report.cosine_mean = 0.98;
  EXPECT_FALSE(judge(report, {}).accepted());
  report.cosine_mean = 0.99;
  EXPECT_TRUE(judge(report, {}).accepted());
}

TEST(Judge, RejectsWhatWasNotMeasured) {
  EXPECT_FALSE(judge(AccuracyReport{}, {}).accepted());
  AccuracyReport report = classifier(1.0);
  report.cosine_mean = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(judge(report, {}).accepted());
}

TEST(ToJson, WritesNoInfinity) {
  AccuracyReport report = classifier(1.0);
  report.sqnr_db = std::numeric_limits<double>::infinity();
  const Json json = to_json(report);
  EXPECT_TRUE(json["sqnr_db"].is_null());
  EXPECT_EQ(json["top1_agreement"], 1.0);
  EXPECT_FALSE(json.contains("fp32_top1"));
}

}  // namespace
}  // namespace planish
