// Time as a parameter, so that tests can hold it.
#pragma once

#include <chrono>

namespace planish {

/// A monotonic clock.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual std::chrono::nanoseconds now() const = 0;
};

/// std::chrono::steady_clock.
const Clock& steady_clock();

}  // namespace planish
