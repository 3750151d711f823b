// What `auto` makes of times, with times that a table gives: no result here depends on a clock.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

#include "planish/base/error.h"
#include "planish/onnx/onnx.h"
#include "planish/pipeline/auto.h"
#include "support/paths.h"
#include "support/throws.h"

namespace planish {
namespace {

/// Milliseconds of one run of `subject` in measurement number `call`, which counts from 0.
using Times = std::function<double(const std::string& subject, std::size_t call)>;

MeasureSpeed measured_by(Times times) {
  return [times = std::move(times), call = std::size_t{0}](std::span<const BenchSubject> subjects,
                                                           const BenchConfig&) mutable {
    BenchReport report;
    for (const BenchSubject& subject : subjects) {
      const std::vector<double> runs(30, times(subject.name, call));
      report.results.push_back(BenchResult{.name = subject.name,
                                           .latency_ms = summarize(runs),
                                           .qps = 1e3 / runs.front(),
                                           .samples_ms = runs,
                                           .turn_medians_ms = runs});
    }
    ++call;
    return report;
  };
}

AutoConfig config_of(Times times) {
  const auto example = test::source_folder() / "examples/cifar10";
  AutoConfig config;
  config.data = example / "calibration";
  config.eval_data = example / "evaluation";
  config.preprocess = load_preprocess_spec((example / "preprocess.json").string());
  config.max_calibration_samples = 8;
  config.max_eval_samples = 20;
  config.thresholds = {.max_drop = 0.2, .min_cosine = 0.9};
  config.measure = measured_by(std::move(times));
  config.remedies = false;
  return config;
}

AutoResult run(const AutoConfig& config, std::stop_token stop = {}) {
  return run_auto(test::source_folder() / "examples/cifar10/resnet8x4.onnx", config, {},
                  std::move(stop));
}

const CandidateReport* find(const AutoReport& report, std::string_view name) {
  const auto found = std::ranges::find(report.candidates, name, &CandidateReport::name);
  return found == report.candidates.end() ? nullptr : &*found;
}

constexpr double kFp32Ms = 10.0;

bool is(const std::string& subject, std::string_view way) { return subject.starts_with(way); }

TEST(AutoTiming, RemediesFollowTheWayThatProvesFastestInTheEnd) {
  // Measurements: 0 all ways, 1 after the remedies of the fastest, 2 the long one, 3 after more
  // remedies.
  AutoConfig config = config_of([](const std::string& subject, std::size_t call) {
    if (subject == "fp32") return kFp32Ms;
    if (is(subject, "static-qoperator-per-channel") && !subject.ends_with("float-stem"))
      return call < 2 ? 6.0 : 3.0;
    return is(subject, "static-qdq-per-channel") ? 5.0 : 9.0;
  });
  config.remedies = true;
  const AutoReport report = run(config).report;
  EXPECT_NE(find(report, "static-qdq-per-channel-remedied"), nullptr);
  const CandidateReport* const late = find(report, "static-qoperator-per-channel-remedied");
  ASSERT_NE(late, nullptr);
  EXPECT_EQ(late->remedies->of, "static-qoperator-per-channel");
  ASSERT_TRUE(report.chosen);
  EXPECT_TRUE(is(report.handed_out().name, "static-qoperator-per-channel"))
      << report.handed_out().name;
}

TEST(AutoTiming, RemediesOfTheFastestAreNotMadeTwice) {
  AutoConfig config = config_of([](const std::string& subject, std::size_t) {
    return subject == "fp32" ? kFp32Ms : is(subject, "static-qdq") ? 5.0 : 9.0;
  });
  config.remedies = true;
  const AutoReport report = run(config).report;
  EXPECT_EQ(1, std::ranges::count(report.candidates, "static-qdq-per-channel-remedied",
                                  &CandidateReport::name));
  EXPECT_EQ(find(report, "static-qoperator-per-channel-remedied"), nullptr);
}

TEST(AutoTiming, WhatOneMeasurementFoundSlowTheNextMayFindFast) {
  const AutoReport report = run(config_of([](const std::string& subject, std::size_t call) {
                              if (subject == "fp32") return kFp32Ms;
                              return call == 0 ? 12.0 : 5.0;
                            })).report;
  ASSERT_TRUE(report.chosen);
  for (const CandidateReport& candidate : report.candidates)
    EXPECT_EQ(candidate.rejected_because, std::nullopt) << candidate.name;
}

TEST(AutoTiming, WhatTheLastMeasurementFindsSlowIsNotHandedOut) {
  const AutoReport report = run(config_of([](const std::string& subject, std::size_t call) {
                              if (subject == "fp32") return kFp32Ms;
                              return call == 0 ? 5.0 : 12.0;
                            })).report;
  EXPECT_FALSE(report.chosen);
  for (const CandidateReport& candidate : report.candidates)
    EXPECT_TRUE(candidate.rejected_because.value_or("").starts_with("not faster"))
        << candidate.name;
}

TEST(AutoTiming, TellsOfTheBestSoFarAsAWholeResult) {
  AutoConfig config = config_of([](const std::string& subject, std::size_t call) {
    if (subject == "fp32") return kFp32Ms;
    // Another way is the fastest each time.
    return is(subject, call == 0 ? "static-qdq" : "static-qoperator") ? 4.0 : 6.0;
  });
  std::vector<AutoResult> told;
  config.on_better = [&](const AutoResult& result) { told.push_back(result); };
  const AutoResult last = run(config);
  ASSERT_EQ(told.size(), 2U);
  for (const AutoResult& result : told) {
    EXPECT_EQ(result.report.state, RunState::kRunning);
    ASSERT_TRUE(result.report.chosen);
    EXPECT_EQ(digest_of(result.model), result.report.handed_out().sha256);
    EXPECT_FALSE(result.calibration.ranges.empty());
    EXPECT_FALSE(result.report.front.empty());
  }
  EXPECT_TRUE(is(told[0].report.handed_out().name, "static-qdq"));
  EXPECT_TRUE(is(told[1].report.handed_out().name, "static-qoperator"));
  EXPECT_EQ(last.report.state, RunState::kComplete);
  EXPECT_EQ(digest_of(last.model), digest_of(told[1].model));
}

TEST(AutoTiming, AStoppedRunGivesTheBestUntilThen) {
  AutoConfig config = config_of(
      [](const std::string& subject, std::size_t) { return subject == "fp32" ? kFp32Ms : 5.0; });
  std::stop_source source;
  config.on_better = [&](const AutoResult&) { source.request_stop(); };
  const AutoResult result = run(config, source.get_token());
  EXPECT_EQ(result.report.state, RunState::kInterrupted);
  ASSERT_TRUE(result.report.chosen);
  EXPECT_EQ(digest_of(result.model), result.report.handed_out().sha256);
  EXPECT_FALSE(result.report.end_to_end);
}

TEST(AutoTiming, ARunThatIsStoppedBeforeAnythingIsFoundIsCancelled) {
  AutoConfig config = config_of([](const std::string&, std::size_t) { return kFp32Ms; });
  std::stop_source source;
  source.request_stop();
  EXPECT_TRUE(test::throws(ErrorCode::kCancelled, [&] { run(config, source.get_token()); }));
}

}  // namespace
}  // namespace planish
