#include "planish/dataset/process_samples.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "planish/base/error.h"
#include "support/fake_dataset.h"
#include "support/throws.h"

namespace planish {
namespace {

using test::FakeDataset;
using test::throws;

FakeDataset numbers(std::size_t count) {
  FakeDataset data("x");
  for (std::size_t i = 0; i < count; ++i) data.add(Tensor::scalar(static_cast<float>(i)));
  return data;
}

Completion nothing(std::size_t, const Sample&) {
  return [] {};
}

TEST(ProcessSamples, CompletesInOrderWhateverTakesLong) {
  std::vector<std::size_t> order;
  const auto work = [&](std::size_t i, const Sample&) -> Completion {
    if (i % 7 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return [&order, i] { order.push_back(i); };
  };
  process_samples(numbers(100), {.threads = 4}, work);
  ASSERT_EQ(order.size(), 100U);
  for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], i);
}

TEST(ProcessSamples, DoesNotRunFarAheadOfASlowSample) {
  std::atomic<std::size_t> furthest{0};
  const auto work = [&](std::size_t i, const Sample&) -> Completion {
    if (i == 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    std::size_t before = furthest;
    while (before < i && !furthest.compare_exchange_weak(before, i)) {
    }
    return [&furthest, i] {
      if (i == 0) {
        EXPECT_LT(furthest, 50U);
      }
    };
  };
  process_samples(numbers(1000), {.threads = 4}, work);
}

TEST(ProcessSamples, ThrowsTheFirstFailureInOrderWithTheSamplesName) {
  const auto work = [](std::size_t i, const Sample&) -> Completion {
    if (i == 5) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    if (i >= 5) throw Error(ErrorCode::kInvalidArgument, "strange");
    return [] {};
  };
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument,
                     [&] { process_samples(numbers(20), {.threads = 4}, work); },
                     {"sample_5: strange"}));
}

TEST(ProcessSamples, ThrowsWhatACompletionThrows) {
  const auto work = [](std::size_t i, const Sample&) -> Completion {
    return [i] {
      if (i == 3) throw Error(ErrorCode::kExhausted, "full");
    };
  };
  EXPECT_TRUE(throws(ErrorCode::kExhausted,
                     [&] { process_samples(numbers(20), {.threads = 4}, work); }, {"full"}));
}

TEST(ProcessSamples, LeavesOutWhatCannotBeReadInOrder) {
  FakeDataset data = numbers(2);
  data.add_broken();
  data.add_broken();
  const ProcessConfig config{.threads = 3, .on_bad_sample = OnBadSample::kSkip};
  const auto bad = process_samples(data, config, nothing);
  ASSERT_EQ(bad.size(), 2U);
  EXPECT_EQ(bad[0].name, "sample_2");
  EXPECT_NE(bad[0].reason.find("truncated"), std::string::npos);
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { process_samples(data, {}, nothing); }));
}

TEST(ProcessSamples, WantsASample) {
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { process_samples(numbers(0), {}, nothing); },
                     {"no samples"}));
}

TEST(ProcessSamples, CancelsWhenAsked) {
  std::stop_source stop;
  const auto work = [&](std::size_t i, const Sample&) -> Completion {
    if (i == 2) stop.request_stop();
    return [] {};
  };
  EXPECT_TRUE(throws(ErrorCode::kCancelled, [&] {
    process_samples(numbers(1000), {.threads = 3}, work, stop.get_token());
  }));
}

}  // namespace
}  // namespace planish
