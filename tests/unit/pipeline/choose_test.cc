#include "pipeline/choose.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace planish::pipeline {
namespace {

struct Measured {
  const char* name;
  double speed_up;
  double sqnr_db;
  const char* remedied_from = "";
};

CandidateReport candidate(const Measured& measured) {
  CandidateReport report;
  report.name = measured.name;
  // An interval of 1 % on either side.
  report.speed_up = {measured.speed_up, measured.speed_up * 0.99, measured.speed_up * 1.01};
  report.bench = BenchResult{};
  report.accuracy = AccuracyReport{};
  report.accuracy->sqnr_db = measured.sqnr_db;
  const std::string from = measured.remedied_from;
  if (!from.empty()) report.remedies = RemediesUsed{.of = from};
  return report;
}

std::vector<CandidateReport> candidates(std::initializer_list<Measured> all) {
  std::vector<CandidateReport> reports;
  for (const Measured& measured : all) reports.push_back(candidate(measured));
  return reports;
}

TEST(Choose, TakesTheFastest) {
  EXPECT_EQ(choose(candidates({{"qdq", 1.5, 30}, {"dynamic", 2.0, 20}, {"stem", 1.8, 40}})), 1U);
}

TEST(Choose, TakesNoneWhenAllAreRejected) {
  auto all = candidates({{"qdq", 1.5, 30}});
  all[0].rejected_because = "too slow";
  EXPECT_EQ(choose(all), std::nullopt);
  EXPECT_EQ(choose({}), std::nullopt);
}

TEST(Choose, PrefersTheMoreAccurateOfTheSameOperatorsWhateverTheNoiseSays) {
  EXPECT_EQ(choose(candidates({{"qdq", 2.0, 13.5}, {"remedied", 1.8, 22.8, "qdq"}})), 1U);
  EXPECT_EQ(choose(candidates({{"qdq", 1.8, 13.5}, {"remedied", 2.0, 12.0, "qdq"}})), 0U);
}

TEST(Choose, PrefersTheMoreAccurateOfThoseThatAreAsFast) {
  EXPECT_EQ(choose(candidates({{"qdq", 2.0, 20}, {"stem", 1.99, 25}})), 1U);
  EXPECT_EQ(choose(candidates({{"qdq", 2.0, 20}, {"stem", 1.9, 25}})), 0U);
}

TEST(Choose, AddedNodesAreOtherOperators) {
  auto all = candidates({{"qdq", 2.0, 16}, {"smoothed", 1.9, 23, "qdq"}});
  EXPECT_EQ(choose(all), 1U);
  all[1].remedies->muls_added = 24;
  EXPECT_EQ(choose(all), 0U);  // accurate enough, and faster beyond the noise
}

TEST(Choose, ChangesNoModelForADifferenceThatSaysNothing) {
  EXPECT_EQ(choose(candidates({{"qdq", 2.0, 30.0}, {"remedied", 2.0, 30.4, "qdq"}})), 0U);
  const double exact = std::numeric_limits<double>::infinity();
  EXPECT_EQ(choose(candidates({{"qdq", 2.0, exact}, {"remedied", 2.0, exact, "qdq"}})), 0U);
}

TEST(Choose, HandsOutTheRemediedModelWhereThePlainOneIsInaccurate) {
  auto all = candidates({{"qdq", 2.0, 3}, {"dynamic", 1.2, 40}, {"remedied", 1.9, 33, "qdq"}});
  all[0].rejected_because = "cosine";
  EXPECT_EQ(choose(all), 2U);
}

TEST(Choose, StandsAnSqnrThatIsNoNumber) {
  EXPECT_EQ(choose(candidates({{"qdq", 2.0, std::numeric_limits<double>::quiet_NaN()}})), 0U);
}

}  // namespace
}  // namespace planish::pipeline
