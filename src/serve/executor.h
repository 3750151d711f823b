// A bounded queue and the threads that work it off.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace planish::serve {

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

/// Exactly one of the two is called, once.
struct Job {
  Deadline deadline = {};               // of the waiting; nothing: it waits as long as it takes
  std::function<void()> run = {};       // on a worker; throws nothing
  std::function<void()> too_late = {};  // the deadline passed while it waited
};

/// Jobs run first come, first served. A deadline is kept to the millisecond or so also when every
/// worker is busy. The destructor runs what is queued.
class Executor {
 public:
  Executor(std::size_t workers, std::size_t capacity);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// False when so many jobs wait as `capacity` says; then neither function of `job` is called.
  [[nodiscard]] bool submit(Job job);
  [[nodiscard]] std::size_t waiting() const;
  [[nodiscard]] std::size_t running() const;
  [[nodiscard]] std::size_t workers() const { return threads_.size(); }
  /// Until nothing waits or runs. False when it took longer than `limit`.
  bool wait_until_idle(std::chrono::milliseconds limit);

 private:
  void work();
  void watch_deadlines();

  const std::size_t capacity_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable has_work_;
  std::condition_variable deadline_changed_;
  std::condition_variable idle_;
  std::deque<Job> queue_;
  std::size_t running_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
  std::thread watcher_;
};

}  // namespace planish::serve
