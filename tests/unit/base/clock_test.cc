#include "planish/base/clock.h"

#include <gtest/gtest.h>

namespace planish::test {
namespace {

TEST(SteadyClock, NeverGoesBack) {
  auto last = steady_clock().now();
  for (int i = 0; i < 1000; ++i) {
    const auto now = steady_clock().now();
    EXPECT_GE(now, last);
    last = now;
  }
}

}  // namespace
}  // namespace planish::test
