#include "serve/protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "planish/base/json.h"
#include "support/throws.h"

namespace planish::serve {
namespace {

using test::throws;
using ::testing::ElementsAre;

const Signature& signature() {
  static const Signature one{{{"x", DType::kFloat32, {Dim{}, Dim{std::int64_t{2}}}},
                              {"n", DType::kInt64, {Dim{std::int64_t{1}}}}},
                             {{"y", DType::kFloat32, {}}}};
  return one;
}

const Signature& single() {
  static const Signature one{{{"x", DType::kFloat32, {Dim{}, Dim{std::int64_t{2}}}}}, {}};
  return one;
}

InferRequest parse(const std::string& text, std::optional<std::size_t> json_bytes = {},
                   const Signature& against = signature()) {
  return parse_infer_request(make_body(text), json_bytes, {.signature = against});
}

const std::string kN = R"({"name":"n","shape":[1],"datatype":"INT64","data":[7]})";
std::string with_x(const std::string& x, const std::string& rest = "") {
  return R"({"inputs":[)" + x + "," + kN + "]" + rest + "}";
}

TEST(ParseInferRequest, TakesFlatAndNestedData) {
  for (const char* data : {"[1,2,3,4]", "[[1,2],[3,4]]"}) {
    const InferRequest request = parse(
        with_x(std::string(R"({"name":"x","shape":[2,2],"datatype":"FP32","data":)") + data + "}"));
    ASSERT_EQ(request.inputs.size(), 2U);
    EXPECT_THAT(request.inputs[0].value.values<float>(), ElementsAre(1, 2, 3, 4));
    EXPECT_THAT(request.inputs[1].value.values<std::int64_t>(), ElementsAre(7));
  }
}

TEST(ParseInferRequest, TakesMembersInAnyOrder) {
  const InferRequest request = parse(
      R"({"outputs":[{"name":"y","parameters":{"classification":3,"binary_data":false}}],)"
      R"("inputs":[{"data":[1,2],"parameters":{},"datatype":"FP32","shape":[1,2],"name":"x"},)" +
      kN + R"(],"parameters":{"binary_data_output":true,"timeout":5000},"id":"a\"b"})");
  EXPECT_EQ(request.id, "a\"b");
  EXPECT_TRUE(request.binary_outputs);
  EXPECT_EQ(request.timeout, std::chrono::microseconds(5000));
  ASSERT_EQ(request.outputs.size(), 1U);
  EXPECT_EQ(request.outputs[0].classes, 3U);
  EXPECT_EQ(request.outputs[0].binary, false);
}

std::string floats(std::initializer_list<float> values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

TEST(ParseInferRequest, TakesBinaryDataBehindTheJson) {
  const std::string json =
      with_x(R"({"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}})");
  const InferRequest request = parse(json + floats({1.5F, -2}), json.size());
  EXPECT_THAT(request.inputs[0].value.values<float>(), ElementsAre(1.5F, -2));
}

TEST(ParseInferRequest, ARawBodyIsTheOneInput) {
  const InferRequest request = parse(floats({1, 2}), 0, single());
  EXPECT_THAT(request.inputs[0].value.dims(), ElementsAre(1, 2));
  EXPECT_TRUE(request.binary_outputs);
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [] { parse(floats({1, 2}), 0); }, {"one input"}));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [] { parse(floats({1}), 0, single()); }));
}

struct Refusal {
  const char* why;
  std::string body;
  const char* said;
};

TEST(ParseInferRequest, RefusesWhatTheProtocolForbids) {
  const std::string good = R"({"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]})";
  const Refusal refusals[] = {
      {"no JSON", "{", "JSON"},
      {"empty", "", ""},
      {"a list", "[]", "object"},
      {"no inputs", "{}", "'inputs'"},
      {"no name", R"({"inputs":[{"shape":[1,2],"datatype":"FP32","data":[1,2]}]})", "'name'"},
      {"no shape", with_x(R"({"name":"x","datatype":"FP32","data":[1,2]})"), "'shape'"},
      {"no datatype", with_x(R"({"name":"x","shape":[1,2],"data":[1,2]})"), "'datatype'"},
      {"no data", with_x(R"({"name":"x","shape":[1,2],"datatype":"FP32"})"), "neither"},
      {"unknown input", with_x(R"({"name":"z","shape":[1],"datatype":"FP32","data":[1]})"), "'z'"},
      {"missing input", R"({"inputs":[)" + good + "]}", "'n'"},
      {"twice", R"({"inputs":[)" + good + "," + good + "]}", "twice"},
      {"unknown datatype", with_x(R"({"name":"x","shape":[1,2],"datatype":"F","data":[1,2]})"),
       "'F'"},
      {"other datatype", with_x(R"({"name":"x","shape":[1,2],"datatype":"FP64","data":[1,2]})"),
       "FP64"},
      {"negative dim", with_x(R"({"name":"x","shape":[-1,2],"datatype":"FP32","data":[1,2]})"),
       "negative"},
      {"overflow",
       with_x(R"({"name":"x","shape":[4611686018427387904,4],"datatype":"FP32","data":[1]})"),
       "'shape'"},
      {"too few", with_x(R"({"name":"x","shape":[1,2],"datatype":"FP32","data":[1]})"),
       "1 elements"},
      {"too many", with_x(R"({"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2,3]})"),
       "more than"},
      {"text", with_x(R"({"name":"x","shape":[1,2],"datatype":"FP32","data":["1",2]})"), "number"},
      {"NaN", with_x(R"({"name":"x","shape":[1,2],"datatype":"FP32","data":[NaN,2]})"), ""},
      {"fraction as integer",
       R"({"inputs":[)" + good + R"(,{"name":"n","shape":[1],"datatype":"INT64","data":[1.5]}]})",
       "integer"},
      {"fixed dim", with_x(R"({"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]})"), "x"},
      {"rank", with_x(R"({"name":"x","shape":[2],"datatype":"FP32","data":[1,2]})"), "x"},
      {"more than an object", with_x(good) + "{}", "behind"},
      {"unknown output", with_x(good, R"(,"outputs":[{"name":"q"}])"), "'q'"},
      {"binary beyond the body",
       with_x(
           R"({"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}})"),
       "binary_data_size"},
      {"negative binary size",
       with_x(
           R"({"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":-8}})"),
       "binary_data_size"},
      {"deep",
       with_x(R"({"name":"x","shape":[1,2],"datatype":"FP32","data":)" + std::string(5000, '[') +
              std::string(5000, ']') + "}"),
       ""},
  };
  for (const Refusal& refusal : refusals) {
    EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { parse(refusal.body); }, {refusal.said}))
        << refusal.why;
  }
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument,
                     [&] { parse(with_x(good) + "tail", with_x(good).size()); }, {"additional"}));
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { parse("{}", 3); }, {"Content-Length"}));
}

TEST(ParseInferRequest, ElementsOutOfTheRangeOfTheirTypeAreRefused) {
  const Signature bytes{{{"b", DType::kUInt8, {Dim{}}}}, {}};
  const auto body = [](const char* data) {
    return std::string(R"({"inputs":[{"name":"b","shape":[1],"datatype":"UINT8","data":[)") + data +
           "]}]}";
  };
  EXPECT_THAT(parse(body("255"), {}, bytes).inputs[0].value.values<std::uint8_t>(),
              ElementsAre(255));
  for (const char* data : {"256", "-1"})
    EXPECT_TRUE(
        throws(ErrorCode::kInvalidArgument, [&] { parse(body(data), {}, bytes); }, {"range"}));
}

TEST(ParseInferRequest, BytesElementsAreCheckedAgainstTheirLengths) {
  const Signature text{{{"s", DType::kString, {Dim{}}}}, {}};
  const std::string json =
      R"({"inputs":[{"name":"s","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":9}}]})";
  const std::string data("\1\0\0\0a\0\0\0\0", 9);
  EXPECT_THAT(parse(json + data, json.size(), text).inputs[0].value.strings(),
              ElementsAre("a", ""));
  const std::string lies("\7\0\0\0a\0\0\0\0", 9);
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { parse(json + lies, json.size(), text); },
                     {"says 7"}));
}

TEST(WriteInferResponse, WritesJsonBinaryAndClasses) {
  const Signature outputs{{}, {{"y", DType::kFloat32, {}}, {"z", DType::kInt64, {}}}};
  const std::vector<Tensor> values{Tensor::of<float>({1, 3}, {0.5F, 2, -1}),
                                   Tensor::of<std::int64_t>({1}, {4})};
  InferRequest request;
  request.id = "7";
  const std::vector<std::string> classes{"cat", "dog"};
  const ResponseFrame frame{"m", "3", request.id, classes};
  const InferResponse all = write_infer_response(request, outputs, values, frame);
  EXPECT_FALSE(all.json_bytes);
  const Json json = parse_json(all.body);
  EXPECT_EQ(json["model_version"], "3");
  EXPECT_EQ(json["id"], "7");
  EXPECT_EQ(json["outputs"][0]["data"], Json({0.5, 2.0, -1.0}));
  EXPECT_EQ(json["outputs"][1]["datatype"], "INT64");

  request.outputs = {{"z", true, 0}, {"y", {}, 2}};
  const InferResponse some = write_infer_response(request, outputs, values, frame);
  ASSERT_TRUE(some.json_bytes);
  const Json head = parse_json(some.body.substr(0, *some.json_bytes));
  EXPECT_EQ(head["outputs"][0]["parameters"]["binary_data_size"], 8);
  EXPECT_EQ(head["outputs"][1]["data"], Json({"2:1:dog", "0.5:0:cat"}));
  EXPECT_EQ(some.body.size() - *some.json_bytes, 8U);
}

}  // namespace
}  // namespace planish::serve
