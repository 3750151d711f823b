// The ranges that the values of a model took on calibration data: a file that people can read and
// edit.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"

namespace planish {

/// [min, max] that the elements of one tensor took. Both finite, min <= max.
struct TensorRange {
  float min = 0.0F;
  float max = 0.0F;
  friend bool operator==(const TensorRange&, const TensorRange&) = default;
};

enum class CalibrationMethod { kMinMax, kMovingAverage, kEntropy, kPercentile, kMse };

/// "minmax", "moving-average", … as on the command line.
std::string_view name_of(CalibrationMethod method);
std::optional<CalibrationMethod> calibration_method_from(std::string_view name);

/// Ranges by tensor name, with what they were made from. Format: docs/formats/calibration.md.
struct CalibrationTable {
  CalibrationMethod method = CalibrationMethod::kMinMax;
  std::string model_sha256 = {};  // digest_of the model whose tensors these are
  std::string data_sha256 = {};   // Dataset::digest
  std::uint64_t samples = 0;
  std::string planish_version = {};
  std::map<std::string, TensorRange, std::less<>> ranges = {};

  [[nodiscard]] std::optional<TensorRange> find(std::string_view tensor) const;
  friend bool operator==(const CalibrationTable&, const CalibrationTable&) = default;
};

Json to_json(const CalibrationTable& table);
/// @throws Error(kCorrupt, kInvalidArgument) naming the member and what was expected.
CalibrationTable parse_calibration_table(const Json& json);
/// Reads the format above, or a cache of onnxruntime.quantization (calibration_cache.h).
/// @throws Error kNotFound, and what parsing throws.
CalibrationTable load_calibration_table(const std::filesystem::path& path);
void save_calibration_table(const CalibrationTable& table, const std::filesystem::path& path);

}  // namespace planish
