#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "test_files.h"

namespace planish {
namespace {

using test_files::message_of;

/// Samples that hold their own index; those in `bad` cannot be read.
class CountingDataset final : public Dataset {
 public:
  explicit CountingDataset(std::size_t size, std::set<std::size_t> bad = {})
      : size_(size), bad_(std::move(bad)) {}

  [[nodiscard]] std::size_t size() const override { return size_; }
  [[nodiscard]] std::string name(std::size_t i) const override { return "s" + std::to_string(i); }
  [[nodiscard]] Sample read(std::size_t i) const override {
    const std::size_t ahead = ++reading_;
    std::size_t most = most_ahead_.load();
    while (ahead > most && !most_ahead_.compare_exchange_weak(most, ahead)) {
    }
    if (i % 3 == 0)
      std::this_thread::sleep_for(std::chrono::microseconds(200));  // out of order on purpose
    if (bad_.contains(i)) throw Error(ErrorCode::kCorrupt, name(i) + ": broken");
    return {.name = name(i),
            .inputs = {{.name = "x", .value = Tensor::scalar(static_cast<std::int64_t>(i))}}};
  }
  [[nodiscard]] std::optional<std::string> encoded_image(std::size_t) const override {
    return std::nullopt;
  }
  [[nodiscard]] std::string digest() const override { return {}; }

  void taken() const { --reading_; }
  [[nodiscard]] std::size_t most_ahead() const { return most_ahead_; }

 private:
  std::size_t size_;
  std::set<std::size_t> bad_;
  mutable std::atomic<std::size_t> reading_{0};
  mutable std::atomic<std::size_t> most_ahead_{0};
};

TEST(ForEachSample, DeliversInOrderOnTheCallersThread) {
  for (const int threads : {1, 2, 7}) {
    const CountingDataset dataset(100);
    std::size_t next = 0;
    const auto caller = std::this_thread::get_id();
    const auto bad =
        for_each_sample(dataset, {.threads = threads}, [&](std::size_t i, const Sample& sample) {
          EXPECT_EQ(i, next++);
          EXPECT_EQ(sample.inputs[0].value.values<std::int64_t>()[0], static_cast<std::int64_t>(i));
          EXPECT_EQ(std::this_thread::get_id(), caller);
        });
    EXPECT_EQ(next, 100U);
    EXPECT_TRUE(bad.empty());
  }
}

TEST(ForEachSample, HoldsOnlyAFewSamples) {
  const CountingDataset dataset(300);
  for_each_sample(dataset, {.threads = 3}, [&](std::size_t, const Sample&) { dataset.taken(); });
  EXPECT_LE(dataset.most_ahead(), 3U * 2 + 1);  // the window, and the one being visited
}

TEST(ForEachSample, MaxSamplesBoundsTheVisits) {
  const CountingDataset dataset(50);
  std::size_t visits = 0;
  for_each_sample(dataset, {.max_samples = 20, .threads = 4},
                  [&](std::size_t, const Sample&) { ++visits; });
  EXPECT_EQ(visits, 20U);
}

TEST(ForEachSample, FirstBadSampleFailsAfterTheGoodOnesBeforeIt) {
  const CountingDataset dataset(40, {11, 12});
  std::size_t visits = 0;
  EXPECT_EQ(message_of([&] {
              for_each_sample(dataset, {.threads = 4},
                              [&](std::size_t, const Sample&) { ++visits; });
            }),
            "s11: broken");
  EXPECT_EQ(visits, 11U);
}

TEST(ForEachSample, SkippedSamplesAreListedWithTheirReason) {
  const CountingDataset dataset(10, {0, 4, 9});
  std::vector<std::size_t> visited;
  const auto bad = for_each_sample(dataset, {.on_bad_sample = OnBadSample::kSkip, .threads = 2},
                                   [&](std::size_t i, const Sample&) { visited.push_back(i); });
  EXPECT_EQ(visited, (std::vector<std::size_t>{1, 2, 3, 5, 6, 7, 8}));
  ASSERT_EQ(bad.size(), 3U);
  EXPECT_EQ(bad[1].name, "s4");
  EXPECT_EQ(bad[1].reason, "s4: broken");
}

TEST(ForEachSample, AllBadIsAnError) {
  const CountingDataset dataset(3, {0, 1, 2});
  ErrorCode code{};
  EXPECT_EQ(message_of(
                [&] {
                  for_each_sample(dataset, {.on_bad_sample = OnBadSample::kSkip},
                                  [](std::size_t, const Sample&) {});
                },
                &code),
            "none of 3 samples can be used; the last: s2: broken");
  EXPECT_EQ(code, ErrorCode::kCorrupt);
}

TEST(ForEachSample, WhatVisitThrowsEndsTheWork) {
  const CountingDataset dataset(1000);
  EXPECT_THROW(for_each_sample(dataset, {.threads = 4},
                               [](std::size_t i, const Sample&) {
                                 if (i == 5) throw std::out_of_range("five");
                               }),
               std::out_of_range);
}

TEST(ForEachSample, StopEndsTheWork) {
  const CountingDataset dataset(1000);
  std::stop_source source;
  std::size_t visits = 0;
  ErrorCode code{};
  message_of(
      [&] {
        for_each_sample(
            dataset, {.threads = 4},
            [&](std::size_t i, const Sample&) {
              ++visits;
              if (i == 5) source.request_stop();
            },
            source.get_token());
      },
      &code);
  EXPECT_EQ(code, ErrorCode::kCancelled);
  EXPECT_EQ(visits, 6U);
}

TEST(ForEachSample, BrokenImageAmongGoodOnesIsNamed) {
  const test_files::Folder folder;
  folder.put("a.jpg", test_files::image());
  folder.put("b.jpg", test_files::image().substr(0, 500));
  folder.put("c.jpg", "not an image");
  folder.put("d.jpg", test_files::image());
  const Signature signature = test_files::one_input(DType::kFloat32, {"n", 3, "h", "w"});
  DatasetConfig config{.on_bad_sample = OnBadSample::kSkip};
  const auto dataset = open_dataset(folder.path(), signature, config);
  std::vector<std::string> good;
  const auto bad = for_each_sample(*dataset, config,
                                   [&](std::size_t, const Sample& s) { good.push_back(s.name); });
  EXPECT_EQ(good, (std::vector<std::string>{"a.jpg", "d.jpg"}));
  ASSERT_EQ(bad.size(), 2U);
  EXPECT_EQ(bad[0].name, "b.jpg");
  EXPECT_EQ(bad[1].reason,
            "c.jpg: data that starts with 6e 6f 74 20; expected a JPEG or PNG image");
  config.on_bad_sample = OnBadSample::kFail;
  EXPECT_EQ(message_of([&] {
              for_each_sample(*dataset, config, [](std::size_t, const Sample&) {});
            }).rfind("b.jpg: JPEG: ", 0),
            0U);
}

}  // namespace
}  // namespace planish
