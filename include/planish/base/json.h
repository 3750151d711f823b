// JSON for configuration, reports and files that people read. (Requests of the server use another
// parser.)
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "planish/base/json_fwd.h"

namespace planish {

/// Bounds on a document that comes from outside.
struct JsonLimits {
  std::size_t max_bytes = std::size_t{64} << 20;
  std::size_t max_depth = 64;
};

/// @throws Error(kCorrupt) with line and column when `text` is not JSON or nests too deep;
///   Error(kExhausted) when it is too long.
Json parse_json(std::string_view text, const JsonLimits& limits = {});

/// `json` as indented text with a newline at the end. Bytes that are not UTF-8 (names of nodes and
/// files may hold any) become U+FFFD.
std::string to_text(const Json& json, int indent = 2);

/// A typed member of a JSON object, with errors that name it.
/// @throws Error(kInvalidArgument) when `key` is absent or of another type.
template <typename T>
T json_get(const Json& object, std::string_view key);

/// Refuses members that nothing reads, so that a misspelt option is not silently ignored.
/// @throws Error(kInvalidArgument) naming the first key of `object` that is not among `known`.
void require_known_keys(const Json& object, std::initializer_list<std::string_view> known);

}  // namespace planish
