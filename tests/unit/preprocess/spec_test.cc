#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/preprocess/preprocess.h"

namespace planish {
namespace {

constexpr std::string_view kDocumented =
    R"({"resize":{"shorter":256,"filter":"bilinear"},"crop":[224,224],"color":"rgb",
        "scale":0.00392156862745098,"mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225],
        "layout":"nchw","dtype":"float32"})";

std::string refusal(std::string_view json) {
  try {
    (void)parse_preprocess_spec(parse_json(json));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.what();
    return error.message();
  }
  ADD_FAILURE() << json << " was accepted";
  return {};
}

TEST(PreprocessSpec, DocumentedExampleIsThePresetImagenet) {
  EXPECT_EQ(parse_preprocess_spec(parse_json(kDocumented)), load_preprocess_spec("imagenet"));
}

TEST(PreprocessSpec, JsonRoundTripKeepsEveryMember) {
  PreprocessSpec spec{
      .resize = PreprocessSpec::Resize{.height = 10, .width = 12, .filter = ResizeFilter::kLanczos},
      .crop = {{8, 9}},
      .color = PreprocessSpec::Color::kGray,
      .scale = 0.1,
      .mean = {0.3},
      .std = {-2.0},
      .layout = PreprocessSpec::Layout::kNhwc,
      .dtype = DType::kFloat16};
  EXPECT_EQ(parse_preprocess_spec(parse_json(to_json(spec).dump())), spec);
  for (const std::string_view preset : preprocess_presets()) {
    spec = load_preprocess_spec(preset);
    EXPECT_EQ(parse_preprocess_spec(parse_json(to_json(spec).dump())), spec) << preset;
  }
}

TEST(PreprocessSpec, EmptyObjectLeavesPixelsAsTheyAre) {
  EXPECT_EQ(parse_preprocess_spec(parse_json("{}")), load_preprocess_spec("none"));
}

TEST(PreprocessSpec, UnknownMembersAreRefusedWithTheKnownOnes) {
  EXPECT_EQ(
      refusal(R"({"means":[1,2,3]})"),
      "unknown member 'means'; known are resize, crop, color, scale, mean, std, layout, dtype");
  EXPECT_EQ(refusal(R"({"resize":{"size":3}})"),
            "resize: unknown member 'size'; known are shorter, height, width, filter");
}

TEST(PreprocessSpec, ErrorsNameMemberFoundAndExpected) {
  EXPECT_EQ(refusal(R"({"color":"rbg"})"), "'color' is 'rbg'; expected one of rgb, bgr, gray");
  EXPECT_EQ(refusal(R"({"std":[1,0,1]})"),
            "'std' is 0 in a channel; expected numbers other than 0: values are divided by them");
  EXPECT_EQ(refusal(R"({"mean":[1]})"),
            "'mean' is an array of 1; expected one number per channel: 3 for color rgb");
  EXPECT_EQ(refusal(R"({"crop":[224]})"), "'crop' is [224]; expected [height, width]");
  EXPECT_EQ(refusal(R"({"crop":[0,5]})"),
            "'crop' is 0; expected a number of pixels from 1 to 8192");
}

TEST(PreprocessSpec, RefusesWhatCannotBeUsed) {
  for (const std::string_view json : {R"([])",
                                      R"({"resize":256})",
                                      R"({"resize":{}})",
                                      R"({"resize":{"height":5}})",
                                      R"({"resize":{"shorter":5,"width":5,"height":5}})",
                                      R"({"resize":{"shorter":5.5}})",
                                      R"({"resize":{"shorter":-1}})",
                                      R"({"resize":{"shorter":1000000}})",
                                      R"({"resize":{"shorter":18446744073709551615}})",
                                      R"({"resize":{"shorter":4,"filter":"area"}})",
                                      R"({"crop":[1e3,5]})",
                                      R"({"crop":"224"})",
                                      R"({"scale":0})",
                                      R"({"scale":"1"})",
                                      R"({"scale":1e300})",
                                      R"({"scale":1000,"dtype":"float16"})",
                                      R"({"mean":["a","b","c"]})",
                                      R"({"mean":0.5})",
                                      R"({"color":"gray","mean":[1,2,3]})",
                                      R"({"dtype":"int8"})",
                                      R"({"dtype":"uint8","scale":0.5})",
                                      R"({"layout":"chwn"})",
                                      R"({"crop":["\ud800",1]})"}) {
    try {
      (void)parse_preprocess_spec(parse_json(json));
      ADD_FAILURE() << json << " was accepted";
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::kInvalidArgument ||
                  error.code() == ErrorCode::kCorrupt)
          << json;
    }
  }
}

TEST(PreprocessSpec, ValuesThatJsonCannotSayAreRefusedToo) {
  PreprocessSpec spec;
  spec.scale = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(validate(spec), Error);
  spec = {.mean = {0, std::numeric_limits<double>::infinity(), 0}};
  EXPECT_THROW(validate(spec), Error);
  spec = {.dtype = DType::kInt64};
  EXPECT_THROW(validate(spec), Error);
}

TEST(LoadPreprocessSpec, ReadsAFileAndNamesItInErrors) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "spec.json";
  write_file_atomically(path, kDocumented);
  EXPECT_EQ(load_preprocess_spec(path), load_preprocess_spec("imagenet"));
  write_file_atomically(path, R"({"sclae":1})");
  try {
    (void)load_preprocess_spec(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find(path), std::string::npos);
  }
}

TEST(LoadPreprocessSpec, MisspeltPresetIsNotFound) {
  try {
    (void)load_preprocess_spec("imagnet");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_EQ(error.message(), "'imagnet' is neither a preset (imagenet, tf, none) nor a file");
  }
}

}  // namespace
}  // namespace planish
