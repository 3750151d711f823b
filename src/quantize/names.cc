#include "quantize/names.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace planish::quantize_detail {

Namer::Namer(const Graph& graph) : taken_(graph) {
  for (const Initializer& initializer : graph.initializers) initializers_.insert(initializer.name);
}

std::string Namer::copy_of(const std::string& initializer) {
  std::int64_t largest = -1;
  for (const std::string_view name : initializers_) {
    if (!name.starts_with(initializer)) continue;
    const std::string_view digits = name.substr(initializer.size());
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc{} && end == digits.data() + digits.size() && !digits.empty()) {
      largest = std::max(largest, number);
    }
  }
  std::string name = taken_.fresh(initializer + std::to_string(largest + 1));
  initializers_.insert(name);
  return name;
}

}  // namespace planish::quantize_detail
