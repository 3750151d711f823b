#include "planish/dataset/process_samples.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/parallel.h"

namespace planish {
namespace {

// Finished samples that may wait for a slow one before them, per thread.
constexpr std::size_t kAhead = 4;

// Runs completions in the order of their numbers, whatever order they come in.
class InOrder {
 public:
  explicit InOrder(std::size_t window) : window_(window) {}

  // Waits until number `i` is near enough. The least number that is under way never waits.
  void admit(std::size_t i) {
    std::unique_lock lock(mutex_);
    moved_.wait(lock, [&] { return failed_ || i < next_ + window_; });
  }

  // Every admitted number must come here once. Throws what the completions throw.
  void finish(std::size_t i, Completion completion) {
    const std::lock_guard lock(mutex_);
    waiting_.emplace(i, std::move(completion));
    while (!failed_ && !waiting_.empty() && waiting_.begin()->first == next_) {
      const auto ready = waiting_.extract(waiting_.begin());
      ++next_;
      failed_ = true;  // unless the completion returns
      moved_.notify_all();
      ready.mapped()();
      failed_ = false;
    }
    moved_.notify_all();
  }

 private:
  std::mutex mutex_;  // guards all below, and is held while a completion runs
  std::condition_variable moved_;
  std::map<std::size_t, Completion> waiting_;
  std::size_t next_ = 0;
  std::size_t window_;
  bool failed_ = false;
};

bool is_about_the_sample(const Error& error) {
  return error.code() != ErrorCode::kCancelled && error.code() != ErrorCode::kInternal;
}

class Processing {
 public:
  Processing(const Dataset& data, const ProcessConfig& config, const SampleWork& work)
      : data_(data), config_(config), work_(work), in_order_(kAhead * config.threads) {}

  std::vector<BadSample> run(const std::stop_token& stop) {
    parallel_for(
        data_.size(), config_.threads, [&](std::size_t i) { process(i); }, stop);
    if (first_failure_ && bad_.size() == data_.size()) throw *first_failure_;
    return std::move(bad_);
  }

 private:
  void process(std::size_t i) {
    in_order_.admit(i);
    Completion completion = work_on(i);
    // It may run after this call, on the thread of an earlier sample.
    in_order_.finish(i, [this, i, completion = std::move(completion)] {
      completion();
      if (config_.progress) config_.progress({config_.stage, i + 1, data_.size()});
    });
  }

  // Never throws, so that the samples behind do not wait in vain: failures are thrown in order.
  Completion work_on(std::size_t i) {
    try {
      std::optional<Sample> sample;
      try {
        sample = data_.read(i);
      } catch (const Error& error) {
        if (!is_about_the_sample(error)) throw;
        return [this, i, error] { take_bad(i, error); };
      }
      return in_context(data_.name(i), [&] { return work_(i, *sample); });
    } catch (...) {
      return [failure = std::current_exception()] { std::rethrow_exception(failure); };
    }
  }

  void take_bad(std::size_t i, const Error& error) {
    if (config_.on_bad_sample == OnBadSample::kFail) throw error;
    if (!first_failure_) first_failure_ = error;
    bad_.push_back({.name = data_.name(i), .reason = error.what()});
  }

  const Dataset& data_;
  const ProcessConfig& config_;
  const SampleWork& work_;
  InOrder in_order_;
  std::vector<BadSample> bad_;  // written by completions only
  std::optional<Error> first_failure_;
};

}  // namespace

std::vector<BadSample> process_samples(const Dataset& data, const ProcessConfig& config,
                                       const SampleWork& work, std::stop_token stop) {
  if (data.size() == 0)
    throw Error(ErrorCode::kInvalidArgument, "no samples; expected one or more");
  ProcessConfig checked = config;
  checked.threads = std::max<std::size_t>(config.threads, 1);
  return Processing(data, checked, work).run(stop);
}

}  // namespace planish
