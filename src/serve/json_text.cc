#include "serve/json_text.h"

#include "planish/base/json.h"

namespace planish::serve {

void append_string(std::string& out, std::string_view text) {
  out += Json(text).dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

void append_shape(std::string& out, std::span<const std::int64_t> dims) {
  out += '[';
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (i > 0) out += ',';
    append_number(out, dims[i]);
  }
  out += ']';
}

}  // namespace planish::serve
