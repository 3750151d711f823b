#include "quantize/calibration_json.h"

#include <charconv>
#include <cmath>

#include "planish/base/error.h"
#include "planish/quantize/config.h"

namespace planish::quantize_detail {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorCode::kInvalidArgument, why); }

/// The double that is written with the fewest digits among those that a float32 reader takes for
/// `value`: 2.64, where the float's own decimals are 2.6400001049041748.
double shortest(float value) {
  char text[32];
  const char* const end = std::to_chars(std::begin(text), std::end(text), value).ptr;
  double result = value;
  std::from_chars(text, end, result);
  return static_cast<float>(result) == value ? result : static_cast<double>(value);
}

/// A number as a float that it is close to; refuses what a float cannot hold.
float bound_from(const Json& json) {
  if (!json.is_number()) refuse("expected a pair of numbers [min, max]");
  const auto value = static_cast<float>(json.get<double>());
  if (!std::isfinite(value)) refuse("a bound is not a finite float32 number");
  return value;
}

TensorRange checked(TensorRange range) {
  if (range.min > range.max) refuse("min is greater than max");
  return range;
}

double share_from(const Json& object, std::string_view key) {
  const auto share = json_get<double>(object, key);
  if (share >= 0.0 && share <= 1.0) return share;
  refuse("'" + std::string(key) + "' is " + std::to_string(share) + "; expected a share of 0 to 1");
}

std::vector<std::uint64_t> histogram_from(const Json& json) {
  if (!json.is_array()) refuse("'histogram' is not an array of counts");
  std::vector<std::uint64_t> counts;
  for (const Json& count : json) {
    if (!count.is_number_unsigned()) refuse("'histogram' holds what is no count");
    counts.push_back(count.get<std::uint64_t>());
  }
  return counts;
}

}  // namespace

Json to_json(TensorRange range) { return Json{shortest(range.min), shortest(range.max)}; }

TensorRange range_from(const Json& json) {
  if (!json.is_array() || json.size() != 2) refuse("expected a pair of numbers [min, max]");
  return checked({bound_from(json[0]), bound_from(json[1])});
}

Json to_json(const RangeOptions& options) {
  Json json;
  json["percentile"] = options.percentile;
  json["bins"] = options.bins;
  json["symmetric"] = options.symmetric;
  json["activation"] = short_name_of(options.activation);
  return json;
}

RangeOptions options_from(const Json& json) {
  require_known_keys(json, {"percentile", "bins", "symmetric", "activation"});
  RangeOptions options;
  options.percentile = json_get<double>(json, "percentile");
  options.bins = count_from(json, "bins");
  options.symmetric = json_get<bool>(json, "symmetric");
  const auto activation = json_get<std::string>(json, "activation");
  const auto dtype = quantized_dtype_from(activation);
  if (!dtype) refuse("'activation' is \"" + activation + "\"; expected u8, s8, u16 or s16");
  options.activation = *dtype;
  validate(options);
  return options;
}

Json to_json(const TensorObservation& observation) {
  Json json;
  json["min"] = shortest(observation.observed.min);
  json["max"] = shortest(observation.observed.max);
  json["elements"] = observation.elements;
  json["clipped"] = observation.clipped;
  if (observation.sqnr_db) json["sqnr_db"] = *observation.sqnr_db;
  if (observation.method) json["method"] = name_of(*observation.method);
  if (!observation.histogram.empty()) json["histogram"] = observation.histogram;
  return json;
}

TensorObservation observation_from(const Json& json) {
  require_known_keys(json, {"min", "max", "elements", "clipped", "sqnr_db", "method", "histogram"});
  TensorObservation observation;
  observation.observed =
      checked({bound_from(json_get<Json>(json, "min")), bound_from(json_get<Json>(json, "max"))});
  observation.elements = count_from(json, "elements");
  observation.clipped = share_from(json, "clipped");
  if (json.contains("sqnr_db")) observation.sqnr_db = json_get<double>(json, "sqnr_db");
  if (json.contains("method")) observation.method = method_from(json);
  if (json.contains("histogram")) observation.histogram = histogram_from(json.at("histogram"));
  return observation;
}

std::uint64_t count_from(const Json& object, std::string_view key) {
  const auto count = json_get<std::int64_t>(object, key);
  if (count < 0) refuse("'" + std::string(key) + "' is negative");
  return static_cast<std::uint64_t>(count);
}

CalibrationMethod method_from(const Json& object) {
  const auto name = json_get<std::string>(object, "method");
  if (const auto method = calibration_method_from(name)) return *method;
  std::string known;
  for (const std::string& one : calibration_method_names())
    known += (known.empty() ? "" : ", ") + one;
  refuse("'method' is \"" + name + "\"; expected " + known);
}

std::string to_lines(const Json& json) {
  const auto text_of = [](const Json& value) {
    return value.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
  };
  std::string text = "{\n";
  const char* separator = " ";
  for (const auto& [key, value] : json.items()) {
    text += separator;
    text += text_of(key);
    text += ": ";
    separator = ",\n ";
    const bool one_line = !value.is_object() || value.empty() || key == "options";
    if (one_line) {
      text += text_of(value);
      continue;
    }
    const char* inner_separator = "{\n  ";
    for (const auto& [name, member] : value.items()) {
      text += inner_separator;
      text += text_of(name);
      text += ": ";
      text += text_of(member);
      inner_separator = ",\n  ";
    }
    text += "\n }";
  }
  return text + "\n}\n";
}

}  // namespace planish::quantize_detail
