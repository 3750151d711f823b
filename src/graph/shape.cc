#include "planish/graph/shape.h"

namespace planish {

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i != 0) text += ", ";
    if (const auto number = shape[i].number())
      text += std::to_string(*number);
    else
      text += shape[i].symbol().value_or("?");
  }
  return text + "]";
}

std::optional<std::vector<std::int64_t>> static_dims(const Shape& shape) {
  std::vector<std::int64_t> dims;
  for (const Dim& dim : shape) {
    const auto number = dim.number();
    if (!number) return std::nullopt;
    dims.push_back(*number);
  }
  return dims;
}

}  // namespace planish
