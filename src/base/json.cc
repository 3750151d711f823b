#include "planish/base/json.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "planish/base/error.h"
#include "planish/base/json_map.h"

namespace planish {
namespace {

/// Depth of brackets outside strings; enough to refuse a document before a tree is built of it.
std::size_t nesting_depth(std::string_view text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

template <typename T>
bool has_type(const Json& value);
template <>
bool has_type<bool>(const Json& value) {
  return value.is_boolean();
}
template <>
bool has_type<std::string>(const Json& value) {
  return value.is_string();
}
template <>
bool has_type<double>(const Json& value) {
  return value.is_number();
}
template <>
bool has_type<std::int64_t>(const Json& value) {
  if (!value.is_number_integer()) return false;
  // nlohmann would wrap an unsigned number beyond this.
  return !value.is_number_unsigned() || std::in_range<std::int64_t>(value.get<std::uint64_t>());
}
template <>
bool has_type<Json>(const Json&) {
  return true;
}

template <typename T>
constexpr std::string_view kTypeName = "a value";
template <>
constexpr std::string_view kTypeName<bool> = "true or false";
template <>
constexpr std::string_view kTypeName<std::string> = "a string";
template <>
constexpr std::string_view kTypeName<double> = "a number";
template <>
constexpr std::string_view kTypeName<std::int64_t> = "an integer";

template <typename Document>
Document parse(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    throw Error(ErrorCode::kExhausted, "JSON of " + std::to_string(text.size()) +
                                           " bytes; at most " + std::to_string(limits.max_bytes) +
                                           " are read");
  }
  if (nesting_depth(text) > limits.max_depth) {
    throw Error(ErrorCode::kCorrupt,
                "JSON nests deeper than " + std::to_string(limits.max_depth) + " levels");
  }
  try {
    return Document::parse(text);
  } catch (const Json::exception& failure) {
    throw Error(ErrorCode::kCorrupt, std::string("not valid JSON: ") + failure.what());
  }
}

}  // namespace

Json parse_json(std::string_view text, const JsonLimits& limits) {
  return parse<Json>(text, limits);
}

JsonMap parse_json_map(std::string_view text, const JsonLimits& limits) {
  return parse<JsonMap>(text, limits);
}

std::string to_text(const Json& json, int indent) {
  return json.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

template <typename T>
T json_get(const Json& object, std::string_view key) {
  if (!object.is_object()) throw Error(ErrorCode::kInvalidArgument, "expected a JSON object");
  const auto found = object.find(std::string(key));
  if (found == object.end()) {
    throw Error(ErrorCode::kInvalidArgument,
                "'" + std::string(key) + "' is missing; expected " + std::string(kTypeName<T>));
  }
  if (!has_type<T>(*found)) {
    std::string shown = found->dump(-1, ' ', true, Json::error_handler_t::replace);
    if (shown.size() > 60) shown = shown.substr(0, 60) + "...";
    throw Error(ErrorCode::kInvalidArgument, "'" + std::string(key) + "' is " + shown +
                                                 "; expected " + std::string(kTypeName<T>));
  }
  return found->get<T>();
}

template bool json_get<bool>(const Json&, std::string_view);
template std::string json_get<std::string>(const Json&, std::string_view);
template double json_get<double>(const Json&, std::string_view);
template std::int64_t json_get<std::int64_t>(const Json&, std::string_view);
template Json json_get<Json>(const Json&, std::string_view);

void require_known_keys(const Json& object, std::initializer_list<std::string_view> known) {
  if (!object.is_object()) throw Error(ErrorCode::kInvalidArgument, "expected a JSON object");
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    std::string expected;
    for (const std::string_view name : known) {
      expected += (expected.empty() ? "" : ", ") + std::string(name);
    }
    throw Error(ErrorCode::kInvalidArgument, "unknown member '" + key + "'; known are " + expected);
  }
}

}  // namespace planish
