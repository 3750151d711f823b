// Memory for large arrays that are written once, from end to end.
#pragma once

#include <cstddef>
#include <memory>

namespace planish {

/// `size` bytes that hold nothing yet, aligned for any type. From a few megabytes on they lie in
/// huge pages where the system has them to give: with pages of 4 kB, the first touch of the memory
/// takes longer than what is written there.
/// @throws std::bad_alloc.
std::shared_ptr<std::byte[]> uninitialized_bytes(std::size_t size);

}  // namespace planish
