// Numbers and strings as JSON text, appended: responses are long, and a tree of them is slow.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace planish::serve {

template <typename Number>
void append_number(std::string& out, Number value) {
  std::array<char, 40> text{};
  const auto [end, failure] = std::to_chars(text.data(), text.data() + text.size(), value);
  (void)failure;  // 40 characters hold every number
  out.append(text.data(), end);
}

/// Floats that are none have no JSON form; null is what JavaScript writes for them.
inline void append_float(std::string& out, double value) {
  if (std::isfinite(value))
    append_number(out, value);
  else
    out += "null";
}
inline void append_float(std::string& out, float value) {
  if (std::isfinite(value))
    append_number(out, value);
  else
    out += "null";
}

/// [1,3,224,224].
void append_shape(std::string& out, std::span<const std::int64_t> dims);

/// Quoted and escaped; bytes that are no UTF-8 become U+FFFD.
void append_string(std::string& out, std::string_view text);

}  // namespace planish::serve
