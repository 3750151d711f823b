#include "planish/base/memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace planish {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20U;
// Below two of them, much of the memory would lie in the small pages at either end.
constexpr std::size_t kWorthwhile = 2 * kHugePage;

}  // namespace

std::shared_ptr<std::byte[]> uninitialized_bytes(std::size_t size) {
  if (size < kWorthwhile) return std::make_shared_for_overwrite<std::byte[]>(size);
  void* memory = nullptr;
  if (::posix_memalign(&memory, kHugePage, size) != 0) throw std::bad_alloc();
  // Whole huge pages only, so that no more memory is taken than was asked for. A wish: where it is
  // not granted, the pages are small ones.
  static_cast<void>(::madvise(memory, size / kHugePage * kHugePage, MADV_HUGEPAGE));
  return {static_cast<std::byte*>(memory), [](std::byte* bytes) { std::free(bytes); }};
}

}  // namespace planish
