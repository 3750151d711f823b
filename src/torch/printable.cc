#include "torch/printable.h"

#include <algorithm>

#include "planish/base/error.h"

namespace planish::torch {
namespace {

constexpr std::size_t kMostBytes = 200;

bool is_control(char c) {
  const auto code = static_cast<unsigned char>(c);
  return code < 0x20U || code == 0x7fU;
}

}  // namespace

bool is_printable(std::string_view text) { return std::ranges::none_of(text, is_control); }

std::string checked_name(std::string name) {
  if (!name.empty() && is_printable(name)) return name;
  throw Error(ErrorCode::kCorrupt, "the name '" + printable(name) +
                                       "'; expected one that is not empty and has no control "
                                       "characters");
}

std::string printable(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string shown;
  for (const char c : text.substr(0, kMostBytes)) {
    if (!is_control(c)) {
      shown += c;
      continue;
    }
    const auto code = static_cast<unsigned char>(c);
    shown += "\\x";
    shown += kDigits[code >> 4U];
    shown += kDigits[code & 0xfU];
  }
  return text.size() > kMostBytes ? shown + "..." : shown;
}

}  // namespace planish::torch
