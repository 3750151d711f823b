#include "torch/json_reader.h"

#include <limits>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/json_map.h"

namespace planish::torch {
namespace {

[[noreturn]] void refuse(std::string_view what, const JsonMap& found, std::string_view expected) {
  std::string shown = found.dump(-1, ' ', true, JsonMap::error_handler_t::replace);
  if (shown.size() > 60) shown = shown.substr(0, 60) + "...";
  throw Error(ErrorCode::kCorrupt,
              "'" + std::string(what) + "' is " + shown + "; expected " + std::string(expected));
}

}  // namespace

const JsonMap& member(const JsonMap& object, const char* key) {
  if (!object.is_object()) {
    throw Error(ErrorCode::kCorrupt,
                "expected a JSON object with the member '" + std::string(key) + "'");
  }
  const auto found = object.find(key);
  if (found == object.end())
    throw Error(ErrorCode::kCorrupt, "'" + std::string(key) + "' is missing");
  return *found;
}

const JsonMap& array_member(const JsonMap& object, const char* key) {
  return array_of(member(object, key), key);
}

const JsonMap& object_member(const JsonMap& object, const char* key) {
  const JsonMap& value = member(object, key);
  if (!value.is_object()) refuse(key, value, "an object");
  return value;
}

std::string text_member(const JsonMap& object, const char* key) {
  return text_of(member(object, key), key);
}

bool bool_member(const JsonMap& object, const char* key) {
  return bool_of(member(object, key), key);
}

std::int64_t integer_of(const JsonMap& value, std::string_view what) {
  const bool fits =
      value.is_number_integer() &&
      (!value.is_number_unsigned() || std::in_range<std::int64_t>(value.get<std::uint64_t>()));
  if (!fits) refuse(what, value, "an integer");
  return value.get<std::int64_t>();
}

double real_of(const JsonMap& value, std::string_view what) {
  if (value.is_number()) return value.get<double>();
  // What JSON has no numbers for is written as text by the exporter.
  if (value.is_string()) {
    const auto text = value.get<std::string>();
    if (text == "Infinity") return std::numeric_limits<double>::infinity();
    if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
    if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  }
  refuse(what, value, "a number");
}

bool bool_of(const JsonMap& value, std::string_view what) {
  if (!value.is_boolean()) refuse(what, value, "true or false");
  return value.get<bool>();
}

std::string text_of(const JsonMap& value, std::string_view what) {
  if (!value.is_string()) refuse(what, value, "a string");
  return value.get<std::string>();
}

const JsonMap& array_of(const JsonMap& value, std::string_view what) {
  if (!value.is_array()) refuse(what, value, "an array");
  return value;
}

UnionMember union_of(const JsonMap& object, std::string_view what) {
  if (!object.is_object() || object.size() != 1) refuse(what, object, "an object with one member");
  return {object.begin().key(), object.begin().value()};
}

}  // namespace planish::torch
