#include "planish/quantize/calibration_cache.h"

#include <gtest/gtest.h>

#include <string>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/onnx/onnx.h"
#include "support/graph_builder.h"
#include "support/paths.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

/// Recorded by tests/golden/quantize/make_cache_golden.py.
const std::filesystem::path kFolder = test::test_data_folder() / "quantize/calibration_cache";

std::map<std::string, TensorRange, std::less<>> recorded_ranges(const char* method) {
  const Json all = parse_json(read_file(kFolder / "ranges.json"));
  std::map<std::string, TensorRange, std::less<>> ranges;
  for (const auto& [tensor, pair] : all[method].items()) {
    ranges[tensor] = {pair[0].get<float>(), pair[1].get<float>()};
  }
  return ranges;
}

TEST(CalibrationCache, ThatThePythonQuantizerWroteIsReadByEveryMethod) {
  const std::pair<const char*, CalibrationMethod> cases[] = {
      {"minmax", CalibrationMethod::kMinMax},
      {"entropy", CalibrationMethod::kEntropy},
      {"percentile", CalibrationMethod::kPercentile}};
  for (const auto& [name, method] : cases) {
    const CalibrationTable table = load_calibration_table(kFolder / (std::string(name) + ".json"));
    EXPECT_EQ(table.method, method);
    EXPECT_EQ(table.ranges, recorded_ranges(name)) << name;
    EXPECT_EQ(table.model_sha256, "");  // what it does not know it does not claim
    EXPECT_EQ(table.samples, 0U);
  }
}

CalibrationTable sample_table() {
  CalibrationTable table;
  table.ranges["input"] = {-2.117904F, 2.64F};
  table.ranges["a/b:0 \"quoted\" é"] = {0.0F, 5.7120433F};
  const std::vector<float> values = test::random_normals(300, 1, 1e6F);
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
    table.ranges[std::string("t").append(std::to_string(i))] = {std::min(values[i], values[i + 1]),
                                                                std::max(values[i], values[i + 1])};
  }
  return table;
}

TEST(CalibrationCache, ReadsBackBitForBit) {
  const TemporaryFolder folder;
  save_onnxruntime_cache(sample_table(), Graph{}, folder.path() / "cache.json");
  EXPECT_EQ(load_calibration_table(folder.path() / "cache.json"), sample_table());
}

TEST(CalibrationCache, IsWrittenAsThePythonQuantizerWritesIt) {
  Json theirs = parse_json(read_file(kFolder / "minmax.json"));
  Json ours = to_onnxruntime_cache(parse_onnxruntime_cache(theirs), Graph{});
  ASSERT_EQ(ours["data"].size(), theirs["data"].size());
  for (const auto& [tensor, range] : theirs["data"].items()) {
    EXPECT_EQ(ours["data"][tensor], range) << tensor;
  }
  theirs.erase("data");  // whose tensors come in any order
  ours.erase("data");
  EXPECT_EQ(ours, theirs);
}

TEST(CalibrationCache, SaysWhichTensorsAreHalf) {
  Graph graph;
  graph.inputs.push_back(
      ValueInfo{.name = "input", .type = {TensorType{.dtype = DType::kFloat16}}});
  const Json json = to_onnxruntime_cache(sample_table(), graph);
  EXPECT_EQ(json["data"]["input"]["lowest"]["dtype"], "float16");
  EXPECT_EQ(json["data"]["t0"]["lowest"]["dtype"], "float32");
}

TEST(CalibrationCache, MethodsThatThePackageLacksAreItsDefault) {
  for (const auto method : {CalibrationMethod::kMse, CalibrationMethod::kMovingAverage}) {
    CalibrationTable table = sample_table();
    table.method = method;
    EXPECT_EQ(to_onnxruntime_cache(table, Graph{})["calibration_method"]["value"],
              "CalibrationMethod.MinMax");
  }
}

/// The error of reading a cache with `value` at `pointer`.
std::string error_with(const char* pointer, const Json& value) {
  Json json = to_onnxruntime_cache(sample_table(), Graph{});
  json[Json::json_pointer(pointer)] = value;
  try {
    parse_onnxruntime_cache(json);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(CalibrationCache, NamesTheTensorWhoseBoundIsBad) {
  const Json array = {{"data", Json::array()}, {"dtype", "float32"}, {"CLS", "numpy.array"}};
  Json per_channel = array;
  per_channel["data"] = {0.0, 1.0};
  for (const Json& bound : {Json(nullptr), Json("0"), Json(1e300), Json(9.0), array, per_channel,
                            Json{{"CLS", "other"}}, Json{{"CLS", "numpy.array"}}}) {
    const std::string error = error_with("/data/input/lowest", bound);
    EXPECT_NE(error.find("'input'"), std::string::npos) << bound << ": " << error;
  }
  EXPECT_NE(error_with("/data/input", Json::array()).find("'input'"), std::string::npos);
  EXPECT_NE(error_with("/data/input/highest", per_channel).find("per_channel"), std::string::npos);
}

TEST(CalibrationCache, RefusesWhatDoesNotFit) {
  const Json distribution = {{"CLS", "CalibrationMethod"},
                             {"value", "CalibrationMethod.Distribution"}};
  EXPECT_NE(error_with("/calibration_method", distribution).find("Distribution"),
            std::string::npos);
  EXPECT_NE(error_with("/calibration_method", "MinMax").find("calibration_method"),
            std::string::npos);
  EXPECT_NE(error_with("/smooth_quant", true).find("SmoothQuant"), std::string::npos);
  EXPECT_NE(error_with("/smooth_quant", 3).find("smooth_quant"), std::string::npos);
  EXPECT_NE(error_with("/CLS", "other").find("CLS"), std::string::npos);
  EXPECT_NE(error_with("/typo", 1).find("typo"), std::string::npos);
  EXPECT_NE(error_with("/data", Json::array()).find("data"), std::string::npos);
  EXPECT_THROW(parse_onnxruntime_cache(Json::array()), Error);
}

TEST(CalibrationCache, ScalarsAndNestedArraysAreBounds) {
  Json json = to_onnxruntime_cache(sample_table(), Graph{});
  json["data"]["input"]["lowest"] = -2.5;
  json["data"]["input"]["highest"]["data"] = Json::array({Json::array({Json::array({1.5})})});
  EXPECT_EQ(parse_onnxruntime_cache(json).find("input"), (TensorRange{-2.5F, 1.5F}));
}

}  // namespace
}  // namespace planish
