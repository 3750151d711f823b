#include "planish/quantize/calibration_table.h"

#include <array>
#include <cmath>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/quantize/calibration_cache.h"

namespace planish {
namespace {

constexpr std::int64_t kSchema = 1;
constexpr std::string_view kFormat = "planish.calibration";

constexpr std::array kMethods{
    std::pair{CalibrationMethod::kMinMax, std::string_view("minmax")},
    std::pair{CalibrationMethod::kMovingAverage, std::string_view("moving-average")},
    std::pair{CalibrationMethod::kEntropy, std::string_view("entropy")},
    std::pair{CalibrationMethod::kPercentile, std::string_view("percentile")},
    std::pair{CalibrationMethod::kMse, std::string_view("mse")},
};

/// A number as a float that it is close to; refuses what a float cannot hold.
float bound_from(const Json& json) {
  if (!json.is_number()) {
    throw Error(ErrorCode::kInvalidArgument, "expected a pair of numbers [min, max]");
  }
  const auto value = static_cast<float>(json.get<double>());
  if (!std::isfinite(value)) {
    throw Error(ErrorCode::kInvalidArgument, "a bound is not a finite float32 number");
  }
  return value;
}

TensorRange range_from(const Json& json) {
  if (!json.is_array() || json.size() != 2) {
    throw Error(ErrorCode::kInvalidArgument, "expected a pair of numbers [min, max]");
  }
  const TensorRange range{bound_from(json[0]), bound_from(json[1])};
  if (range.min > range.max) {
    throw Error(ErrorCode::kInvalidArgument, "min is greater than max");
  }
  return range;
}

std::uint64_t samples_from(const Json& json) {
  const auto samples = json_get<std::int64_t>(json, "samples");
  if (samples >= 0) return static_cast<std::uint64_t>(samples);
  throw Error(ErrorCode::kInvalidArgument, "'samples' is negative");
}

}  // namespace

std::string_view name_of(CalibrationMethod method) {
  for (const auto& [value, name] : kMethods) {
    if (value == method) return name;
  }
  throw Error(ErrorCode::kInternal, "a calibration method without a name");
}

std::optional<CalibrationMethod> calibration_method_from(std::string_view wanted) {
  for (const auto& [value, name] : kMethods) {
    if (name == wanted) return value;
  }
  return std::nullopt;
}

std::optional<TensorRange> CalibrationTable::find(std::string_view tensor) const {
  const auto found = ranges.find(tensor);
  if (found == ranges.end()) return std::nullopt;
  return found->second;
}

Json to_json(const CalibrationTable& table) {
  Json json;
  json["format"] = kFormat;
  json["schema"] = kSchema;
  json["planish_version"] = table.planish_version;
  json["method"] = name_of(table.method);
  json["model_sha256"] = table.model_sha256;
  json["data_sha256"] = table.data_sha256;
  json["samples"] = table.samples;
  Json ranges = Json::object();
  for (const auto& [tensor, range] : table.ranges) ranges[tensor] = {range.min, range.max};
  json["ranges"] = std::move(ranges);
  return json;
}

CalibrationTable parse_calibration_table(const Json& json) {
  require_known_keys(json, {"format", "schema", "planish_version", "method", "model_sha256",
                            "data_sha256", "samples", "ranges"});
  if (json_get<std::string>(json, "format") != kFormat) {
    throw Error(ErrorCode::kCorrupt, "'format' is not \"" + std::string(kFormat) + "\"");
  }
  const auto schema = json_get<std::int64_t>(json, "schema");
  if (schema != kSchema) {
    throw Error(ErrorCode::kInvalidArgument, "'schema' is " + std::to_string(schema) +
                                                 "; this planish reads " + std::to_string(kSchema));
  }
  CalibrationTable table;
  const auto method = json_get<std::string>(json, "method");
  const auto known = calibration_method_from(method);
  if (!known) {
    throw Error(ErrorCode::kInvalidArgument,
                "'method' is \"" + method +
                    "\"; expected minmax, moving-average, entropy, percentile or mse");
  }
  table.method = *known;
  table.planish_version = json_get<std::string>(json, "planish_version");
  table.model_sha256 = json_get<std::string>(json, "model_sha256");
  table.data_sha256 = json_get<std::string>(json, "data_sha256");
  table.samples = samples_from(json);
  const Json ranges = json_get<Json>(json, "ranges");
  if (!ranges.is_object()) {
    throw Error(ErrorCode::kInvalidArgument, "'ranges' is not an object of tensor: [min, max]");
  }
  for (const auto& [tensor, pair] : ranges.items()) {
    table.ranges[tensor] =
        in_context("range of '" + tensor + "'", [&range = pair] { return range_from(range); });
  }
  return table;
}

CalibrationTable load_calibration_table(const std::filesystem::path& path) {
  return in_context(path.string(), [&] {
    const Json json = parse_json(read_file(path, JsonLimits{}.max_bytes));
    return is_onnxruntime_cache(json) ? parse_onnxruntime_cache(json)
                                      : parse_calibration_table(json);
  });
}

void save_calibration_table(const CalibrationTable& table, const std::filesystem::path& path) {
  write_file_atomically(path, to_text(to_json(table), 1));
}

}  // namespace planish
