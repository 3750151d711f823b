#include "planish/base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/throws.h"

namespace planish::test {
namespace {

TEST(ParallelFor, CallsTheBodyOnceForEachItem) {
  for (const std::size_t threads : {0U, 1U, 2U, 7U}) {
    std::vector<std::atomic<int>> calls(1000);
    parallel_for(calls.size(), threads, [&](std::size_t i) { ++calls[i]; });
    for (const auto& count : calls) EXPECT_EQ(count, 1);
  }
}

TEST(ParallelFor, DoesNothingForNoItems) {
  parallel_for(0, 4, [](std::size_t) { FAIL(); });
}

TEST(ParallelFor, RunsInOrderOnTheCallersThreadWhenThereIsOne) {
  std::vector<std::size_t> order;
  parallel_for(100, 1, [&](std::size_t i) {
    order.push_back(i);
    EXPECT_NE(std::this_thread::get_id(), std::thread::id());
  });
  std::vector<std::size_t> expected(100);
  std::iota(expected.begin(), expected.end(), std::size_t{0});
  EXPECT_EQ(order, expected);
}

TEST(ParallelFor, UsesNoMoreThreadsThanAllowed) {
  std::mutex mutex;  // guards ids
  std::set<std::thread::id> ids;
  parallel_for(100, 3, [&](std::size_t) {
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  });
  EXPECT_LE(ids.size(), 3U);
}

TEST(ParallelFor, RethrowsTheExceptionAndStartsNoFurtherItems) {
  for (const std::size_t threads : {1U, 4U}) {
    std::atomic<std::size_t> started{0};
    EXPECT_TRUE(throws(ErrorCode::kCorrupt,
                       [&] {
                         parallel_for(1'000'000, threads, [&](std::size_t i) {
                           ++started;
                           if (i == 10) throw Error(ErrorCode::kCorrupt, "item 10");
                         });
                       },
                       {"item 10"}));
    EXPECT_LT(started, 1'000'000U);
  }
}

TEST(ParallelFor, RethrowsExceptionsOfEveryKind) {
  EXPECT_THROW(parallel_for(4, 2, [](std::size_t) { throw std::out_of_range("x"); }),
               std::out_of_range);
}

TEST(ParallelFor, StopsBetweenItemsWhenAsked) {
  std::stop_source source;
  std::atomic<std::size_t> started{0};
  EXPECT_TRUE(throws(ErrorCode::kCancelled, [&] {
    parallel_for(
        1'000'000, 2,
        [&](std::size_t) {
          if (++started == 5) source.request_stop();
        },
        source.get_token());
  }));
  EXPECT_LT(started, 1'000'000U);
}

TEST(ParallelFor, IsNotCancelledByAStopAfterTheLastItem) {
  std::stop_source source;
  EXPECT_NO_THROW(parallel_for(
      1, 1, [&](std::size_t) { source.request_stop(); }, source.get_token()));
}

TEST(ThrowIfStopped, ThrowsOnlyThen) {
  std::stop_source source;
  EXPECT_NO_THROW(throw_if_stopped(source.get_token()));
  EXPECT_NO_THROW(throw_if_stopped({}));
  source.request_stop();
  EXPECT_TRUE(throws(ErrorCode::kCancelled, [&] { throw_if_stopped(source.get_token()); }));
}

}  // namespace
}  // namespace planish::test
