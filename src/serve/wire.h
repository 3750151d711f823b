// The wire format of protocol buffers, as far as the messages of the Open Inference Protocol need
// it (developers.google.com/protocol-buffers/docs/encoding): read in place, written by appending.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "planish/base/error.h"

namespace planish::serve {

static_assert(std::endian::native == std::endian::little, "fixed-size fields are little-endian");

/// One field of a message.
struct WireField {
  std::uint32_t number = 0;
  std::uint32_t type = 0;       // 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes
  std::uint64_t varint = 0;     // of type 0
  std::string_view bytes = {};  // of the others; a view of the message
};

/// Reads a message field by field. @throws Error(kInvalidArgument) where the bytes are no message.
class WireReader {
 public:
  explicit WireReader(std::string_view message) : rest_(message) {}

  /// Nothing at the end.
  std::optional<WireField> next() {
    if (rest_.empty()) return std::nullopt;
    WireField field;
    const std::uint64_t key = varint();
    field.number = static_cast<std::uint32_t>(key >> 3);
    field.type = static_cast<std::uint32_t>(key & 7);
    if (field.number == 0 || key >> 32 != 0) refuse();
    switch (field.type) {
      case 0:
        field.varint = varint();
        return field;
      case 1:
        field.bytes = take(8);
        return field;
      case 2:
        field.bytes = take(varint());
        return field;
      case 5:
        field.bytes = take(4);
        return field;
      default:
        refuse();  // groups, which proto3 does not have
    }
  }
  /// A number of variable length, as repeated numbers are packed.
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) refuse();
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    refuse();
  }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  [[noreturn]] static void refuse() {
    throw Error(ErrorCode::kInvalidArgument, "the bytes are no message of the protocol");
  }
  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) refuse();
    const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(size));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest_;
};

inline void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}
inline void append_uint(std::string& out, std::uint32_t number, std::uint64_t value) {
  append_varint(out, std::uint64_t{number} << 3);
  append_varint(out, value);
}
/// Also of messages, which are bytes. Written when empty, too: an element of a repeated field
/// counts.
inline void append_bytes(std::string& out, std::uint32_t number, std::string_view bytes) {
  append_varint(out, std::uint64_t{number} << 3 | 2);
  append_varint(out, bytes.size());
  out += bytes;
}
/// repeated int64, packed.
template <typename Numbers>
void append_packed(std::string& out, std::uint32_t number, const Numbers& numbers) {
  std::string packed;
  for (const auto one : numbers) append_varint(packed, static_cast<std::uint64_t>(one));
  append_bytes(out, number, packed);
}

}  // namespace planish::serve
