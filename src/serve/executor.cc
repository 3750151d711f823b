#include "serve/executor.h"

#include <algorithm>
#include <utility>

namespace planish::serve {

Executor::Executor(std::size_t workers, std::size_t capacity) : capacity_(capacity) {
  for (std::size_t i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
  watcher_ = std::thread([this] { watch_deadlines(); });
}

Executor::~Executor() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  has_work_.notify_all();
  deadline_changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  watcher_.join();
}

bool Executor::submit(Job job) {
  const bool has_deadline = job.deadline.has_value();
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= capacity_) return false;
    queue_.push_back(std::move(job));
  }
  has_work_.notify_one();
  if (has_deadline) deadline_changed_.notify_one();
  return true;
}

std::size_t Executor::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

std::size_t Executor::running() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

bool Executor::wait_until_idle(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, limit, [this] { return queue_.empty() && running_ == 0; });
}

void Executor::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    has_work_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;  // stopping
    Job job = std::move(queue_.front());
    queue_.pop_front();
    ++running_;
    lock.unlock();
    if (job.deadline && std::chrono::steady_clock::now() > *job.deadline)
      job.too_late();
    else
      job.run();
    job = Job{};  // what it holds goes before it counts as done
    lock.lock();
    --running_;
    if (queue_.empty() && running_ == 0) idle_.notify_all();
  }
}

/// Takes jobs out of the queue whose deadline passed.
void Executor::watch_deadlines() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    Deadline next;
    for (const Job& job : queue_) {
      if (job.deadline && (!next || *job.deadline < *next)) next = job.deadline;
    }
    if (next)
      deadline_changed_.wait_until(lock, *next);
    else
      deadline_changed_.wait(lock);
    const auto now = std::chrono::steady_clock::now();
    const auto first_late =
        std::stable_partition(queue_.begin(), queue_.end(),
                              [&](const Job& job) { return !job.deadline || *job.deadline > now; });
    std::vector<Job> late(std::make_move_iterator(first_late),
                          std::make_move_iterator(queue_.end()));
    queue_.erase(first_late, queue_.end());
    if (late.empty()) continue;
    lock.unlock();
    for (Job& job : late) job.too_late();
    late.clear();
    lock.lock();
    if (queue_.empty() && running_ == 0) idle_.notify_all();
  }
}

}  // namespace planish::serve
