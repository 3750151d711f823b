// The name of the JSON type, for headers that only mention it: the whole library takes a compiler
// two seconds to read.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace planish {

/// Keeps the order in which keys were added, so that reports read as they were meant.
using Json = nlohmann::ordered_json;

}  // namespace planish
