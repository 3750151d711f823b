#include "planish/base/checked.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "support/throws.h"

namespace planish::test {
namespace {

constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();

std::size_t count_of(const std::vector<std::int64_t>& dims) { return checked_element_count(dims); }

TEST(CheckedArithmetic, IsOrdinaryUpToTheLimitAndAnErrorBeyond) {
  EXPECT_EQ(checked_mul(3, 4), 12U);
  EXPECT_EQ(checked_mul(kMost, 1), kMost);
  EXPECT_EQ(checked_mul(kMost, 0), 0U);
  EXPECT_EQ(checked_add(kMost - 1, 1), kMost);
  EXPECT_TRUE(
      throws(ErrorCode::kCorrupt, [] { (void)checked_mul(kMost / 2 + 1, 2); }, {"overflow"}));
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [] { (void)checked_add(kMost, 1); }, {"overflow"}));
}

TEST(CheckedElementCount, IsTheProductAndOneForAScalar) {
  EXPECT_EQ(count_of({}), 1U);
  EXPECT_EQ(count_of({2, 3, 5}), 30U);
  EXPECT_EQ(count_of({2, 0, 5}), 0U);
  EXPECT_EQ(count_of({std::numeric_limits<std::int64_t>::max()}),
            static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max()));
}

TEST(CheckedElementCount, RefusesNegativeDimensionsAndOverflow) {
  for (const auto& dims : std::vector<std::vector<std::int64_t>>{
           {-1},
           {2, -1},
           {0, -1},
           {std::int64_t{1} << 32, std::int64_t{1} << 31},  // 2^63
           {std::int64_t{1} << 32, std::int64_t{1} << 32},  // 2^64
           {std::numeric_limits<std::int64_t>::max(), 3},
           {0, std::numeric_limits<std::int64_t>::max(), std::int64_t{1} << 40}}) {  // hidden by 0
    EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { (void)count_of(dims); }));
  }
}

}  // namespace
}  // namespace planish::test
