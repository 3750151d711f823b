#include "planish/base/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "planish/base/error.h"

namespace planish {

void throw_if_stopped(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "interrupted");
}

void parallel_for(std::size_t count, std::size_t threads,
                  const std::function<void(std::size_t)>& body, std::stop_token stop) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;  // guards first_failure
  std::exception_ptr first_failure;
  const auto work = [&] {
    for (;;) {
      if (failed.load(std::memory_order_relaxed) || stop.stop_requested()) return;
      const std::size_t i = next.fetch_add(1, std::memory_order_relaxed);
      if (i >= count) return;
      try {
        body(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!first_failure) first_failure = std::current_exception();
        failed = true;
      }
    }
  };
  {
    std::vector<std::jthread> helpers;
    const std::size_t wanted = std::min(std::max<std::size_t>(threads, 1), count);
    try {
      for (std::size_t i = 1; i < wanted; ++i) helpers.emplace_back(work);
    } catch (const std::system_error&) {
      // The system gives no more threads: those that there are do the work.
    }
    work();
  }
  if (first_failure) std::rethrow_exception(first_failure);
  if (next.load() < count) throw_if_stopped(stop);
}

}  // namespace planish
