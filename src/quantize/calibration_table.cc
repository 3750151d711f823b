#include "planish/quantize/calibration_table.h"

#include <array>
#include <bit>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/quantize/calibration_cache.h"
#include "planish/quantize/params.h"
#include "quantize/calibration_json.h"

namespace planish {
namespace {

constexpr std::int64_t kSchema = 2;
constexpr std::int64_t kFirstSchema = 1;  // had neither options nor observed
constexpr std::string_view kFormat = "planish.calibration";

constexpr std::array kMethods{
    std::pair{CalibrationMethod::kMinMax, std::string_view("minmax")},
    std::pair{CalibrationMethod::kMovingAverage, std::string_view("moving-average")},
    std::pair{CalibrationMethod::kEntropy, std::string_view("entropy")},
    std::pair{CalibrationMethod::kPercentile, std::string_view("percentile")},
    std::pair{CalibrationMethod::kMse, std::string_view("mse")},
    std::pair{CalibrationMethod::kAuto, std::string_view("auto")},
};

/// Reads a member that is an object with one member for each tensor.
template <typename Value>
void read_by_tensor(const Json& object, std::string_view key, Value (*read)(const Json&),
                    std::map<std::string, Value, std::less<>>& values) {
  const std::string member(key);
  const auto json = json_get<Json>(object, key);
  if (!json.is_object()) {
    throw Error(ErrorCode::kInvalidArgument, "'" + member + "' is not an object of tensor names");
  }
  for (const auto& [tensor, value] : json.items()) {
    values[tensor] =
        in_context(member + " of '" + tensor + "'", [&, &one = value] { return read(one); });
  }
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

std::vector<std::string> calibration_method_names() {
  std::vector<std::string> names;
  for (const auto& [value, name] : kMethods) names.emplace_back(name);
  return names;
}

void validate(const RangeOptions& options) {
  const auto refuse = [](const std::string& why) { throw Error(ErrorCode::kInvalidArgument, why); };
  constexpr std::size_t kFewestBins = 256;
  constexpr std::size_t kMostBins = 2048;
  if (!(options.percentile > 0.0 && options.percentile <= 100.0))
    refuse("percentile " + std::to_string(options.percentile) + "; expected above 0, up to 100");
  if (!std::has_single_bit(options.bins) || options.bins < kFewestBins || options.bins > kMostBins)
    refuse(std::to_string(options.bins) + " bins; expected 256, 512, 1024 or 2048");
  integer_limits(options.activation);
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
  if (table.options) json["options"] = quantize_detail::to_json(*table.options);
  json["model_sha256"] = table.model_sha256;
  json["data_sha256"] = table.data_sha256;
  json["samples"] = table.samples;
  Json ranges = Json::object();
  for (const auto& [tensor, range] : table.ranges) ranges[tensor] = quantize_detail::to_json(range);
  json["ranges"] = std::move(ranges);
  if (table.observations.empty()) return json;
  Json observed = Json::object();
  for (const auto& [tensor, seen] : table.observations)
    observed[tensor] = quantize_detail::to_json(seen);
  json["observed"] = std::move(observed);
  return json;
}

CalibrationTable parse_calibration_table(const Json& json) {
  require_known_keys(json, {"format", "schema", "planish_version", "method", "options",
                            "model_sha256", "data_sha256", "samples", "ranges", "observed"});
  if (json_get<std::string>(json, "format") != kFormat) {
    throw Error(ErrorCode::kCorrupt, "'format' is not \"" + std::string(kFormat) + "\"");
  }
  const auto schema = json_get<std::int64_t>(json, "schema");
  if (schema < kFirstSchema || schema > kSchema) {
    throw Error(ErrorCode::kInvalidArgument, "'schema' is " + std::to_string(schema) +
                                                 "; this planish reads 1 to " +
                                                 std::to_string(kSchema));
  }
  CalibrationTable table;
  table.method = quantize_detail::method_from(json);
  table.planish_version = json_get<std::string>(json, "planish_version");
  table.model_sha256 = json_get<std::string>(json, "model_sha256");
  table.data_sha256 = json_get<std::string>(json, "data_sha256");
  table.samples = quantize_detail::count_from(json, "samples");
  if (json.contains("options")) {
    table.options =
        in_context("options", [&] { return quantize_detail::options_from(json.at("options")); });
  }
  read_by_tensor(json, "ranges", quantize_detail::range_from, table.ranges);
  if (json.contains("observed"))
    read_by_tensor(json, "observed", quantize_detail::observation_from, table.observations);
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
  write_file_atomically(path, quantize_detail::to_lines(to_json(table)));
}

}  // namespace planish
