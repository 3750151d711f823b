// JSON whose objects may have very many members.
#pragma once

#include <string_view>

#include "planish/base/json.h"

namespace planish {

/// Finds members in logarithmic time, in the order of their keys: for documents from outside.
using JsonMap = nlohmann::json;

/// As parse_json. @throws as it does.
JsonMap parse_json_map(std::string_view text, const JsonLimits& limits = {});

}  // namespace planish
