// Commands that fit what `auto` found.
#include "pipeline/next_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace planish::pipeline {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;
using testing::Not;

AutoReport report_of(bool is_chosen) {
  AutoReport report;
  report.source_path = "my nets/net.onnx";
  report.config.data = "photos";
  report.config.preprocess_name = "imagenet";
  CandidateReport candidate{.name = "int8", .precision = Precision::kInt8};
  candidate.speed_up = {2.0, 1.9, 2.1};
  report.candidates = {candidate};
  if (is_chosen) report.chosen = 0;
  return report;
}

auto command(const auto& matcher) { return Contains(Field(&NextStep::command, matcher)); }

TEST(NextSteps, OfAChosenModelProveAndServeIt) {
  const auto steps = next_steps(report_of(true));
  EXPECT_THAT(steps, command(HasSubstr("planish store put OUT/model.onnx")));
  EXPECT_THAT(steps, command(AllOf(HasSubstr("planish compare 'my nets/net.onnx' OUT/model.onnx"),
                                   HasSubstr("--preprocess imagenet"))));
  EXPECT_THAT(steps, Not(command(HasSubstr("--exclude"))));
}

TEST(NextSteps, OfAMixedModelNameTheLayersToExclude) {
  AutoReport report = report_of(true);
  report.candidates[0].mixed = MixedPrecision{.of = "int8", .layers = {"head 1"}};
  report.candidates[0].kept_fp32 = {{"head 1", "Conv", "accuracy: layer 'head 1'"},
                                    {"nms", "NonMaxSuppression", "no integer kernel"}};
  EXPECT_THAT(next_steps(report),
              command(AllOf(HasSubstr("--exclude 'head 1' -o"), Not(HasSubstr("nms")))));
}

TEST(NextSteps, WithoutAModelSayWhatTheFrontCosts) {
  AutoReport report = report_of(false);
  report.front = {
      {.name = "int8", .speed_up = 2.0, .loss = 0.031, .cosine = 0.95, .accepted = false}};
  const auto steps = next_steps(report);
  EXPECT_THAT(steps, command(AllOf(HasSubstr("planish auto 'my nets/net.onnx' --data photos"),
                                   HasSubstr("--max-drop 0.03103"))));
  EXPECT_THAT(steps, command(HasSubstr("planish sensitivity")));
}

TEST(NextSteps, OfAnInterruptedRunFinishItFirst) {
  AutoReport report = report_of(true);
  report.state = RunState::kInterrupted;
  EXPECT_THAT(next_steps(report).front().command, HasSubstr("planish auto"));
}

}  // namespace
}  // namespace planish::pipeline
