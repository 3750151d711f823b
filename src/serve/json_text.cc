#include "serve/json_text.h"

#include "planish/base/json.h"

namespace planish::serve {

void append_string(std::string& out, std::string_view text) {
  out += Json(text).dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace planish::serve
