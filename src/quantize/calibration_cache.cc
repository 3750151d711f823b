#include "planish/quantize/calibration_cache.h"

#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "quantize/graph_facts.h"

namespace planish {
namespace {

constexpr std::array kFormats{
    std::pair{CalibrationFormat::kPlanish, std::string_view("planish")},
    std::pair{CalibrationFormat::kOnnxRuntime, std::string_view("onnxruntime")},
};

constexpr std::string_view kEnumPrefix = "CalibrationMethod.";

/// The package's methods that give ranges; the first stands in for those it does not have.
constexpr std::array kMethods{
    std::pair{CalibrationMethod::kMinMax, std::string_view("MinMax")},
    std::pair{CalibrationMethod::kEntropy, std::string_view("Entropy")},
    std::pair{CalibrationMethod::kPercentile, std::string_view("Percentile")},
};

std::string_view peer_name_of(CalibrationMethod method) {
  for (const auto& [value, name] : kMethods) {
    if (value == method) return name;
  }
  return kMethods.front().second;
}

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorCode::kInvalidArgument, why); }

CalibrationMethod method_from(const Json& json) {
  const auto tagged = json_get<Json>(json, "calibration_method");
  if (!tagged.is_object()) refuse("'calibration_method' is not an object of CLS and value");
  const auto value = json_get<std::string>(tagged, "value");
  std::string_view name = value;
  if (name.starts_with(kEnumPrefix)) name.remove_prefix(kEnumPrefix.size());
  for (const auto& [method, known] : kMethods) {
    if (known == name) return method;
  }
  throw Error(ErrorCode::kUnsupported, "'calibration_method' is \"" + value +
                                           "\"; expected CalibrationMethod.MinMax, Entropy or "
                                           "Percentile");
}

/// A bound is a number (a NumPy scalar), or {"data": …, "dtype", "CLS": "numpy.array"} where the
/// data is a number or lists around a single one.
float bound_from(const Json& bound) {
  const bool is_array = bound.is_object();
  if (is_array && json_get<std::string>(bound, "CLS") != "numpy.array")
    refuse("'CLS' is not \"numpy.array\"");
  Json value = is_array ? json_get<Json>(bound, "data") : bound;
  while (value.is_array() && value.size() == 1) value = Json(value.front());
  if (value.is_array()) {
    throw Error(ErrorCode::kUnsupported,
                std::to_string(value.size()) +
                    " numbers; expected one: activations have one range per tensor, calibrate "
                    "without per_channel");
  }
  if (!value.is_number()) refuse("not a number");
  const auto number = static_cast<float>(value.get<double>());
  if (!std::isfinite(number)) refuse("not a finite float32 number");
  return number;
}

TensorRange range_from(const Json& tensor) {
  if (!tensor.is_object()) refuse("expected an object with 'lowest' and 'highest'");
  const auto bound = [&](const char* key) {
    const Json value = json_get<Json>(tensor, key);
    return in_context(key, [&] { return bound_from(value); });
  };
  const TensorRange range{bound("lowest"), bound("highest")};
  if (range.min > range.max) refuse("'lowest' is greater than 'highest'");
  return range;
}

/// As the package's own encoder writes the one element of an array.
Json bound_json(float bound, DType dtype) {
  return Json{{"data", {bound}}, {"dtype", name_of(dtype)}, {"CLS", "numpy.array"}};
}

}  // namespace

std::string_view name_of(CalibrationFormat format) {
  return kFormats.at(static_cast<std::size_t>(format)).second;
}

std::optional<CalibrationFormat> calibration_format_from(std::string_view wanted) {
  for (const auto& [format, name] : kFormats) {
    if (name == wanted) return format;
  }
  return std::nullopt;
}

bool is_onnxruntime_cache(const Json& json) {
  return json.is_object() && json.contains("CLS") && json["CLS"] == "TensorsData";
}

CalibrationTable parse_onnxruntime_cache(const Json& json) {
  require_known_keys(json, {"CLS", "data", "calibration_method", "smooth_quant"});
  if (!is_onnxruntime_cache(json)) refuse("'CLS' is not \"TensorsData\"");
  if (json.contains("smooth_quant") && json_get<bool>(json, "smooth_quant")) {
    throw Error(ErrorCode::kUnsupported,
                "the ranges are those of a model that SmoothQuant changed; calibrate the model "
                "that is to be quantized");
  }
  CalibrationTable table;
  table.method = method_from(json);
  const auto data = json_get<Json>(json, "data");
  if (!data.is_object()) refuse("'data' is not an object of tensor: range");
  for (const auto& [tensor, value] : data.items()) {
    table.ranges[tensor] =
        in_context("range of '" + tensor + "'", [&range = value] { return range_from(range); });
  }
  return table;
}

Json to_onnxruntime_cache(const CalibrationTable& table, const Graph& graph) {
  const quantize_detail::GraphFacts facts(graph);
  Json json;
  json["CLS"] = "TensorsData";
  json["data"] = Json::object();
  for (const auto& [tensor, range] : table.ranges) {
    const DType dtype = facts.dtype(tensor) == DType::kFloat16 ? DType::kFloat16 : DType::kFloat32;
    json["data"][tensor] = {{"lowest", bound_json(range.min, dtype)},
                            {"highest", bound_json(range.max, dtype)},
                            {"CLS", "TensorData"}};
  }
  json["calibration_method"] = {
      {"CLS", "CalibrationMethod"},
      {"value", std::string(kEnumPrefix) + std::string(peer_name_of(table.method))}};
  json["smooth_quant"] = false;
  return json;
}

void save_onnxruntime_cache(const CalibrationTable& table, const Graph& graph,
                            const std::filesystem::path& path) {
  write_file_atomically(path, to_text(to_onnxruntime_cache(table, graph), 1));
}

}  // namespace planish
