// JSON members read with errors that say what is wrong with them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "planish/base/json_map.h"

namespace planish::torch {

// Each throws Error(kCorrupt) when the member is missing or of another type.
const JsonMap& member(const JsonMap& object, const char* key);
const JsonMap& array_member(const JsonMap& object, const char* key);
const JsonMap& object_member(const JsonMap& object, const char* key);
std::string text_member(const JsonMap& object, const char* key);
bool bool_member(const JsonMap& object, const char* key);

// Each throws Error(kCorrupt), naming `what`, when the value is of another type.
std::int64_t integer_of(const JsonMap& value, std::string_view what);
double real_of(const JsonMap& value, std::string_view what);
bool bool_of(const JsonMap& value, std::string_view what);
std::string text_of(const JsonMap& value, std::string_view what);
const JsonMap& array_of(const JsonMap& value, std::string_view what);

/// The one key and value of a union: {"as_int": 3}.
struct UnionMember {
  const std::string& key;
  const JsonMap& value;
};
UnionMember union_of(const JsonMap& object, std::string_view what);

}  // namespace planish::torch
