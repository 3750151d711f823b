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
  EXPECT_NE(error_with("/schema", 2).find("schema"), std::string::npos);
  EXPECT_NE(error_with("/format", "other").find("format"), std::string::npos);
  EXPECT_NE(error_with("/typo", 1).find("typo"), std::string::npos);
  EXPECT_NE(error_with("/samples", -1).find("samples"), std::string::npos);
  EXPECT_NE(error_with("/ranges", Json::array()).find("ranges"), std::string::npos);
}

TEST(CalibrationTable, RefusesAnythingButAnObject) {
  EXPECT_THROW(parse_calibration_table(Json::array()), Error);
  EXPECT_THROW(parse_calibration_table(Json()), Error);
}

}  // namespace
}  // namespace planish
