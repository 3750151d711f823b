#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "dataset/sources.h"
#include "planish/base/error.h"
#include "planish/base/parallel.h"
#include "planish/dataset/dataset.h"

namespace planish {
namespace {

/// A sample, or why there is none.
struct Result {
  std::optional<Sample> sample = {};
  std::exception_ptr failure = {};
};

/// Threads that read samples in order, at most a window of them before they are taken.
class ReadAhead {
 public:
  ReadAhead(const Dataset& dataset, std::size_t count, std::size_t threads)
      : dataset_(dataset), count_(count), slots_(std::min(count, 2 * threads)) {
    for (std::size_t i = 0; i < std::min(count, threads); ++i) {
      threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
    }
  }

  /// The next sample, in order. @throws Error(kCancelled).
  Result take(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    std::optional<Result>& slot = slots_[taken_ % slots_.size()];
    finished_.wait(lock, stop, [&] { return slot.has_value(); });
    throw_if_stopped(stop);
    Result result = std::move(*slot);
    slot.reset();
    ++taken_;
    lock.unlock();
    room_.notify_one();
    return result;
  }

 private:
  void work(const std::stop_token& stop) {
    while (const std::optional<std::size_t> i = claim(stop)) {
      Result result = read(*i);
      {
        const std::lock_guard lock(mutex_);
        slots_[*i % slots_.size()] = std::move(result);
      }
      finished_.notify_one();
    }
  }

  std::optional<std::size_t> claim(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, stop, [&] { return claimed_ == count_ || claimed_ < taken_ + slots_.size(); });
    if (stop.stop_requested() || claimed_ == count_) {
      lock.unlock();
      room_.notify_one();  // whoever waits beside this thread has nothing to wait for either
      return std::nullopt;
    }
    return claimed_++;
  }

  Result read(std::size_t i) const {
    try {
      return {.sample = dataset_.read(i)};
    } catch (...) {
      return {.failure = std::current_exception()};
    }
  }

  const Dataset& dataset_;
  const std::size_t count_;
  std::mutex mutex_;                          // guards slots_, claimed_ and taken_
  std::vector<std::optional<Result>> slots_;  // sample i in slot i modulo their number
  std::size_t claimed_ = 0;
  std::size_t taken_ = 0;
  std::condition_variable_any finished_;  // a slot was filled
  std::condition_variable_any room_;      // a slot was emptied
  std::vector<std::jthread> threads_;     // last: ends before what it uses
};

/// What is wrong with the sample itself; other failures are rethrown.
Error bad_sample(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled || error.code() == ErrorCode::kInternal) throw;
    return error;
  }
}

}  // namespace

std::vector<BadSample> for_each_sample(const Dataset& dataset, const DatasetConfig& config,
                                       const std::function<void(std::size_t, const Sample&)>& visit,
                                       std::stop_token stop) {
  const std::size_t count = detail::limited(dataset.size(), config);
  std::vector<BadSample> bad;
  if (count == 0) return bad;
  ReadAhead ahead(dataset, count, detail::threads_of(config));
  for (std::size_t i = 0; i < count; ++i) {
    const Result result = ahead.take(stop);
    if (result.sample) {
      visit(i, *result.sample);
      continue;
    }
    if (config.on_bad_sample == OnBadSample::kFail) std::rethrow_exception(result.failure);
    const Error error = bad_sample(result.failure);
    bad.push_back({.name = dataset.name(i), .reason = error.message()});
    if (bad.size() == count) {
      throw error.with_context("none of " + std::to_string(count) +
                               " samples can be used; the last");
    }
  }
  return bad;
}

}  // namespace planish
