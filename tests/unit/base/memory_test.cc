#include "planish/base/memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

namespace planish {
namespace {

TEST(UninitializedBytes, AreAlignedForAnyTypeAndHoldWhatIsWritten) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20U;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, 2 * kHugePage - 1, 2 * kHugePage,
                                 2 * kHugePage + 3, 5 * kHugePage + kHugePage / 2}) {
    const auto bytes = uninitialized_bytes(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.get()) % alignof(std::max_align_t), 0U);
    if (size == 0) continue;
    std::memset(bytes.get(), 7, size);
    EXPECT_EQ(bytes[0], std::byte{7});
    EXPECT_EQ(bytes[size - 1], std::byte{7});
  }
}

}  // namespace
}  // namespace planish
