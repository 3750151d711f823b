// Little-endian fields of a file from outside, read with checks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "planish/base/error.h"

namespace planish {

/// Reads from the front; an end that comes too early is Error(kCorrupt).
class ByteReader {
 public:
  /// `what` names the file type in errors.
  ByteReader(std::span<const std::byte> bytes, std::string_view what)
      : bytes_(bytes), what_(what) {}

  [[nodiscard]] std::size_t left() const noexcept { return bytes_.size(); }

  std::span<const std::byte> take(std::uint64_t count) {
    if (count > bytes_.size()) {
      throw Error(ErrorCode::kCorrupt,
                  std::string(what_) + " is truncated: " + std::to_string(count) +
                      " more bytes expected, " + std::to_string(bytes_.size()) + " found");
    }
    const auto taken = bytes_.first(static_cast<std::size_t>(count));
    bytes_ = bytes_.subspan(static_cast<std::size_t>(count));
    return taken;
  }

  std::string_view take_text(std::uint64_t count) {
    const auto taken = take(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  /// An unsigned integer of `size` bytes, at most 8.
  std::uint64_t take_integer(std::size_t size) {
    std::uint64_t value = 0;
    const auto taken = take(size);
    for (std::size_t i = 0; i < size; ++i)
      value |= std::to_integer<std::uint64_t>(taken[i]) << (8 * i);
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  std::string_view what_;
};

}  // namespace planish
