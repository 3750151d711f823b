// The parts of the server that need no socket.
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <random>

#include "planish/serve/server.h"
#include "serve/executor.h"
#include "serve/latency_histogram.h"
#include "support/throws.h"

namespace planish::serve {
namespace {

using namespace std::chrono_literals;
using test::throws;

TEST(LatencyHistogram, BucketsCoverEveryValueOnce) {
  for (std::size_t bucket = 1; bucket < LatencyHistogram::kBuckets; ++bucket) {
    EXPECT_EQ(LatencyHistogram::bucket_of(LatencyHistogram::upper_end(bucket)), bucket);
    EXPECT_EQ(LatencyHistogram::bucket_of(LatencyHistogram::upper_end(bucket - 1) + 1), bucket);
  }
}

TEST(LatencyHistogram, AQuantileIsAtMostASixteenthAboveTheTrueOne) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<> latencies(7.0, 1.0);
  LatencyHistogram histogram;
  std::vector<std::uint64_t> us;
  for (int i = 0; i < 10000; ++i) {
    us.push_back(static_cast<std::uint64_t>(latencies(random)));
    histogram.record(std::chrono::microseconds(us.back()));
  }
  std::sort(us.begin(), us.end());
  const auto snapshot = histogram.snapshot();
  EXPECT_EQ(snapshot.count, us.size());
  for (const double q : {0.5, 0.95, 0.99}) {
    const auto exact = static_cast<double>(us[static_cast<std::size_t>(q * 10000.0) - 1]);
    const auto found = static_cast<double>(snapshot.quantile(q).count());
    EXPECT_GE(found, exact);
    EXPECT_LE(found, exact * (1.0 + 1.0 / 16) + 1);
  }
}

TEST(Wilson, IntervalHoldsTheShareAndNarrows) {
  const ShareInterval none = wilson_interval(0, 0);
  EXPECT_EQ(none.low, 0.0);
  EXPECT_EQ(none.high, 1.0);
  // Wilson (1927), n = 10, all agreed: low = n / (n + z^2) = 10 / 13.8415.
  EXPECT_NEAR(wilson_interval(10, 10).low, 10.0 / (10.0 + 3.841458820694124), 1e-12);
  EXPECT_DOUBLE_EQ(wilson_interval(10, 10).high, 1.0);
  EXPECT_GT(wilson_interval(990, 1000).low, wilson_interval(99, 100).low);
}

TEST(ParseShadow, ReadsNameVersionAndFraction) {
  const ShadowConfig shadow = parse_shadow("net=sha256:ab12cd:0.25");
  EXPECT_EQ(shadow.model, "net");
  EXPECT_EQ(shadow.version, "sha256:ab12cd");
  EXPECT_EQ(shadow.fraction, 0.25);
  for (const char* bad :
       {"", "net", "net=fp32", "net=fp32:0", "net=fp32:2", "=fp32:0.1", "net=:0.1", "net=a:b"})
    EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { parse_shadow(bad); })) << bad;
}

TEST(ParseAddress, ReadsHostsAndPorts) {
  EXPECT_EQ(to_string(parse_address("0.0.0.0:80")), "0.0.0.0:80");
  EXPECT_EQ(to_string(parse_address("8080")), "127.0.0.1:8080");
  EXPECT_EQ(to_string(parse_address("[::1]:1")), "[::1]:1");
  for (const char* bad : {"", "a:", ":80", "a:70000", "a:b"})
    EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { parse_address(bad); })) << bad;
}

TEST(Executor, RefusesMoreThanFitsAndRunsTheRest) {
  Executor executor(1, 2);
  std::latch started(1);
  std::latch go(1);
  std::atomic<int> ran{0};
  ASSERT_TRUE(executor.submit({.deadline = {},
                               .run =
                                   [&] {
                                     started.count_down();
                                     go.wait();
                                     ++ran;
                                   },
                               .too_late = {}}));
  started.wait();
  EXPECT_TRUE(executor.submit({.deadline = {}, .run = [&] { ++ran; }, .too_late = {}}));
  EXPECT_TRUE(executor.submit({.deadline = {}, .run = [&] { ++ran; }, .too_late = {}}));
  EXPECT_FALSE(executor.submit({.deadline = {}, .run = [&] { ++ran; }, .too_late = {}}));
  go.count_down();
  EXPECT_TRUE(executor.wait_until_idle(60s));
  EXPECT_EQ(ran, 3);
}

TEST(Executor, ADeadlineIsKeptWhileEveryWorkerIsBusy) {
  Executor executor(1, 8);
  std::latch started(1);
  std::latch late(1);
  std::atomic<bool> ran{false};
  ASSERT_TRUE(executor.submit({.deadline = {},
                               .run =
                                   [&] {
                                     started.count_down();
                                     late.wait();
                                   },
                               .too_late = {}}));
  started.wait();
  ASSERT_TRUE(executor.submit({.deadline = std::chrono::steady_clock::now() + 1ms,
                               .run = [&] { ran = true; },
                               .too_late = [&] { late.count_down(); }}));
  // The worker waits for the deadline of the job behind it: this ends only when that is kept.
  EXPECT_TRUE(executor.wait_until_idle(60s));
  EXPECT_FALSE(ran);
}

TEST(Executor, EndsWithWhatIsQueuedDone) {
  std::atomic<int> ran{0};
  {
    Executor executor(2, 100);
    for (int i = 0; i < 50; ++i)
      ASSERT_TRUE(executor.submit({.deadline = {}, .run = [&] { ++ran; }, .too_late = {}}));
  }
  EXPECT_EQ(ran, 50);
}

}  // namespace
}  // namespace planish::serve
