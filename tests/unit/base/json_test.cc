#include "planish/base/json.h"

#include <gtest/gtest.h>

#include <string>

#include "support/throws.h"

namespace planish::test {
namespace {

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(ParseJson, KeepsTheOrderOfKeys) {
  EXPECT_EQ(parse_json(R"({"z":1,"a":[true,null,"x"]})").dump(), R"({"z":1,"a":[true,null,"x"]})");
}

TEST(ParseJson, SaysWhereItIsBroken) {
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [] { (void)parse_json("{\"a\": 1,\n x}"); },
                     {"line 2", "column"}));
  for (const char* text : {"", " ", "{", "[1,]", "nul", "1 2", "\"\xff\"", "{\"a\":1e999}"}) {
    EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { (void)parse_json(text); })) << text;
  }
}

TEST(ParseJson, RefusesDeepNestingBeforeItBuildsATree) {
  const JsonLimits limits;
  EXPECT_NO_THROW((void)parse_json(nested(limits.max_depth)));
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { (void)parse_json(nested(limits.max_depth + 1)); },
                     {"nests"}));
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [] { (void)parse_json(std::string(10'000'000, '[')); }));
}

TEST(ParseJson, DoesNotCountBracketsInsideStrings) {
  EXPECT_NO_THROW((void)parse_json("\"" + std::string(1000, '[') + "\""));
  EXPECT_NO_THROW((void)parse_json(R"(["\"[[[[[", "\\"])", {.max_depth = 1}));
}

TEST(ParseJson, RefusesMoreBytesThanAllowed) {
  EXPECT_NO_THROW((void)parse_json("[1]", {.max_bytes = 3}));
  EXPECT_TRUE(throws(ErrorCode::kExhausted, [] { (void)parse_json("[1] ", {.max_bytes = 3}); },
                     {"4", "3"}));
}

TEST(JsonGet, GivesTypedMembers) {
  const Json json = parse_json(R"({"b":true,"s":"x","i":-3,"d":1.5,"o":{}})");
  EXPECT_TRUE(json_get<bool>(json, "b"));
  EXPECT_EQ(json_get<std::string>(json, "s"), "x");
  EXPECT_EQ(json_get<std::int64_t>(json, "i"), -3);
  EXPECT_EQ(json_get<double>(json, "i"), -3.0);
  EXPECT_EQ(json_get<double>(json, "d"), 1.5);
  EXPECT_TRUE(json_get<Json>(json, "o").is_object());
}

TEST(JsonGet, NamesTheMemberWhatItIsAndWhatWasExpected) {
  const Json json = parse_json(R"({"i":1.5,"b":1,"s":null,"big":18446744073709551615})");
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { (void)json_get<bool>(json, "none"); },
                     {"'none'", "missing"}));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { (void)json_get<std::int64_t>(json, "i"); },
                     {"'i'", "1.5", "an integer"}));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { (void)json_get<bool>(json, "b"); },
                     {"true or false"}));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { (void)json_get<std::string>(json, "s"); },
                     {"null", "a string"}));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [] { (void)json_get<bool>(Json::array(), "b"); },
                     {"object"}));
  // One that does not fit must not come back as another number.
  EXPECT_TRUE(
      throws(ErrorCode::kInvalidArgument, [&] { (void)json_get<std::int64_t>(json, "big"); }));
}

TEST(RequireKnownKeys, NamesTheFirstUnknownOne) {
  const Json json = parse_json(R"({"resize":1,"colour":2})");
  EXPECT_NO_THROW(require_known_keys(json, {"colour", "resize"}));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument,
                     [&] {
                       require_known_keys(json, {"resize", "color"});
                     },
                     {"'colour'", "resize, color"}));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [] { require_known_keys(Json(1), {}); }));
}

TEST(ToText, ReplacesBytesThatAreNotUtf8) {
  const std::string text = to_text(Json{{"node", "conv\xff"}}, -1);
  EXPECT_EQ(text, "{\"node\":\"conv\xEF\xBF\xBD\"}\n");
  EXPECT_NO_THROW(parse_json(text));
}

}  // namespace
}  // namespace planish::test
