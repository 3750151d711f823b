#include "planish/quantize/calibration_table.h"

#include <gtest/gtest.h>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

CalibrationTable sample_table() {
  CalibrationTable table;
  table.method = CalibrationMethod::kEntropy;
  table.model_sha256 = "5d0a";
  table.data_sha256 = "91c7";
  table.samples = 100;
  table.planish_version = "0.1.0";
  table.ranges["input"] = {-2.117904F, 2.64F};
  table.options = RangeOptions{.percentile = 99.9, .activation = DType::kInt8};
  table.observations["input"] = {.observed = {-3.0F, 2.64F},
                                 .elements = 15052800,
                                 .clipped = 1e-5,
                                 .sqnr_db = 47.25,
                                 .method = CalibrationMethod::kMse,
                                 .histogram = {1, 0, 20, 3}};
  table.ranges["a/b:0 \"quoted\" é"] = {0.0F, 5.7120433F};
  return table;
}

TEST(CalibrationTable, ReadsBackBitForBit) {
  CalibrationTable table = sample_table();
  const std::vector<float> values = test::random_normals(300, 1, 1e6F);
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
    table.ranges["t" + std::to_string(i)] = {std::min(values[i], values[i + 1]),
                                             std::max(values[i], values[i + 1])};
  }
  EXPECT_EQ(parse_calibration_table(parse_json(to_json(table).dump())), table);
}

TEST(CalibrationTable, IsAFile) {
  const TemporaryFolder folder;
  save_calibration_table(sample_table(), folder.path() / "c.json");
  EXPECT_EQ(load_calibration_table(folder.path() / "c.json"), sample_table());
  EXPECT_THROW(load_calibration_table(folder.path() / "none.json"), Error);
}

TEST(CalibrationTable, IsReadFromAFileOfTheFirstSchema) {
  const CalibrationTable table = parse_calibration_table(parse_json(R"({
    "format": "planish.calibration", "schema": 1, "planish_version": "0.1.0", "method": "minmax",
    "model_sha256": "5d0a", "data_sha256": "91c7", "samples": 100,
    "ranges": {"input": [-2.1179039478302, 2.640000104904175]}})"));
  EXPECT_EQ(table.find("input"), (TensorRange{-2.117904F, 2.64F}));
  EXPECT_FALSE(table.options.has_value());
  EXPECT_TRUE(table.observations.empty());
}

TEST(CalibrationTable, HasOneLineForEachTensorAndNoMoreDigitsThanNeeded) {
  const TemporaryFolder folder;
  save_calibration_table(sample_table(), folder.path() / "c.json");
  const std::string text = read_file(folder.path() / "c.json");
  EXPECT_NE(text.find("\n  \"input\": [-2.117904,2.64]"), std::string::npos) << text;
  EXPECT_NE(text.find("\n  \"input\": {\"min\":-3.0,\"max\":2.64,"), std::string::npos) << text;
}

TEST(CalibrationTable, AbsenceOfARangeIsAValue) {
  EXPECT_FALSE(sample_table().find("other").has_value());
  EXPECT_EQ(sample_table().find("input"), (TensorRange{-2.117904F, 2.64F}));
}

/// The error of reading the sample with `value` at `pointer`.
std::string error_with(const char* pointer, const Json& value) {
  Json json = to_json(sample_table());
  json[Json::json_pointer(pointer)] = value;
  try {
    parse_calibration_table(json);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(CalibrationTable, NamesTheTensorWhoseRangeIsBad) {
  for (const Json& range : {Json{1.0, 0.0}, Json{0.0}, Json{0.0, 1e300}, Json{nullptr, 1.0},
                            Json{"0", "1"}, Json(3.0), Json{0, 1, 2}}) {
    EXPECT_NE(error_with("/ranges/input", range).find("'input'"), std::string::npos) << range;
  }
}

TEST(CalibrationTable, RefusesWhatItDoesNotKnow) {
  EXPECT_NE(error_with("/method", "guess").find("expected minmax"), std::string::npos);
  EXPECT_NE(error_with("/schema", 3).find("schema"), std::string::npos);
  EXPECT_NE(error_with("/schema", 0).find("schema"), std::string::npos);
  EXPECT_NE(error_with("/format", "other").find("format"), std::string::npos);
  EXPECT_NE(error_with("/typo", 1).find("typo"), std::string::npos);
  EXPECT_NE(error_with("/samples", -1).find("samples"), std::string::npos);
  EXPECT_NE(error_with("/ranges", Json::array()).find("ranges"), std::string::npos);
  EXPECT_NE(error_with("/options/bins", 3).find("bins"), std::string::npos);
  EXPECT_NE(error_with("/options/activation", "u4").find("u4"), std::string::npos);
  EXPECT_NE(error_with("/options/percentile", 0).find("percentile"), std::string::npos);
  EXPECT_NE(error_with("/observed/input/clipped", 2).find("'input'"), std::string::npos);
  EXPECT_NE(error_with("/observed/input/elements", -1).find("'input'"), std::string::npos);
  EXPECT_NE(error_with("/observed/input/histogram", Json{1, -2}).find("histogram"),
            std::string::npos);
  EXPECT_NE(error_with("/observed/input/typo", 1).find("typo"), std::string::npos);
}

TEST(CalibrationTable, RefusesAnythingButAnObject) {
  EXPECT_THROW(parse_calibration_table(Json::array()), Error);
  EXPECT_THROW(parse_calibration_table(Json()), Error);
}

}  // namespace
}  // namespace planish
