#include "planish/serve/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planish/base/json.h"
#include "support/throws.h"

namespace planish::serve {
namespace {

using test::throws;
using ::testing::HasSubstr;

ShadowReport report(std::uint64_t agreed, std::uint64_t samples) {
  ShadowReport one;
  one.samples = samples;
  one.top1 = wilson_interval(agreed, samples);
  one.compute_ms = {samples, 5.0, 8.0, 10.0};
  return one;
}

TEST(Judge, PassesWhatMeetsEveryCondition) {
  const GateVerdict verdict =
      judge(report(2995, 3000), {.min_agreement = 0.99, .min_samples = 2000, .max_p99_ms = 12.0});
  EXPECT_TRUE(verdict.passed) << verdict.why;
  EXPECT_THAT(verdict.why, HasSubstr("3000 samples"));
  EXPECT_THAT(verdict.why, HasSubstr("10.000 ms"));
}

TEST(Judge, RefusesAndNamesEachConditionThatIsBroken) {
  const GateConfig config{.min_agreement = 0.99, .min_samples = 2000, .max_p99_ms = 12.0};
  const auto refused = [&](const ShadowReport& one) {
    const GateVerdict verdict = judge(one, config);
    EXPECT_FALSE(verdict.passed);
    return verdict.why;
  };
  EXPECT_THAT(refused(report(1999, 1999)),
              HasSubstr("1999 samples, at least 2000 wanted (refused)"));
  // 0.9912 of 2500 is above 0.99, but the interval that belongs to it is not.
  EXPECT_THAT(refused(report(2478, 2500)), HasSubstr("0.9912"));
  ShadowReport slow = report(3000, 3000);
  slow.compute_ms.p99 = 12.5;
  EXPECT_THAT(refused(slow), HasSubstr("12.500 ms, at most 12.000 ms wanted (refused)"));
  ShadowReport failing = report(3000, 3000);
  failing.failed = 1;
  EXPECT_THAT(refused(failing), HasSubstr("1 requests on which it failed"));
}

TEST(ShadowReportJson, ComesBackAsItWas) {
  ShadowReport one = report(10, 11);
  one.model = "net";
  one.live = "1 sha256:a";
  one.shadow = "2 sha256:b";
  one.failed = 3;
  const ShadowReport back = shadow_report_from(to_json(one));
  EXPECT_EQ(to_json(back), to_json(one));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [] { shadow_report_from(Json::object()); }));
}

TEST(ParseRollbackRule, ReadsEveryMember) {
  const RollbackRule rule =
      parse_rollback_rule("p99=12.5ms,failures=0.01,agreement=0.98,requests=50,window=1.5s");
  EXPECT_EQ(rule.max_p99_ms, 12.5);
  EXPECT_EQ(rule.max_failure_share, 0.01);
  EXPECT_EQ(rule.min_agreement, 0.98);
  EXPECT_EQ(rule.min_requests, 50U);
  EXPECT_EQ(rule.window, std::chrono::milliseconds(1500));
  EXPECT_EQ(parse_rollback_rule("p99=1s").max_p99_ms, 1000.0);
  for (const char* bad :
       {"", "p99", "p99=x", "p99=-1", "failures=2", "window=30s", "speed=1", "p99=1,window=0"})
    EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { parse_rollback_rule(bad); })) << bad;
}

TEST(Breach, NeedsEvidence) {
  const RollbackRule rule{.max_p99_ms = 10.0, .max_failure_share = 0.01, .min_requests = 100};
  EXPECT_FALSE(breach(rule, {.requests = 99, .failures = 99, .p99_ms = 1000.0}, {}));
  EXPECT_FALSE(breach(rule, {.requests = 100, .failures = 1, .p99_ms = 10.0}, {}));
  EXPECT_THAT(breach(rule, {.requests = 100, .failures = 2, .p99_ms = 1.0}, {}).value(),
              HasSubstr("0.0200 of 100 requests failed"));
  EXPECT_THAT(breach(rule, {.requests = 100, .failures = 0, .p99_ms = 10.5}, {}).value(),
              HasSubstr("p99 of 100 requests was 10.500 ms"));
}

TEST(Breach, AgreementMustBeSurelyTooLow) {
  const RollbackRule rule{.min_agreement = 0.98, .min_requests = 100};
  // 97 of 100: the interval reaches to 0.9897.
  EXPECT_FALSE(breach(rule, {}, report(97, 100)));
  EXPECT_TRUE(breach(rule, {}, report(900, 1000)));
  EXPECT_FALSE(breach(rule, {}, report(0, 99))) << "too few";
  EXPECT_FALSE(breach(rule, {}, {}));
}

}  // namespace
}  // namespace planish::serve
