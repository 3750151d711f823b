#include "planish/quantize/tensor_overrides.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"

namespace planish {
namespace {

/// An element type and the name it has in onnxruntime.quantization, which is the file's.
constexpr std::array kQuantTypes{
    std::pair{DType::kUInt8, std::string_view("QUInt8")},
    std::pair{DType::kInt8, std::string_view("QInt8")},
    std::pair{DType::kUInt16, std::string_view("QUInt16")},
    std::pair{DType::kInt16, std::string_view("QInt16")},
};

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorCode::kInvalidArgument, why); }

DType quant_type_from(const Json& json) {
  const auto wanted = json_get<std::string>(json, "quant_type");
  for (const auto& [dtype, name] : kQuantTypes) {
    if (name == wanted) return dtype;
  }
  refuse("'quant_type' is \"" + wanted + "\"; expected QUInt8, QInt8, QUInt16 or QInt16");
}

std::string_view quant_type_name(DType dtype) {
  for (const auto& [value, name] : kQuantTypes) {
    if (value == dtype) return name;
  }
  throw Error(ErrorCode::kInternal, "an override of a type without a name");
}

float real_from(const Json& json, std::string_view key) {
  const auto value = static_cast<float>(json_get<double>(json, key));
  if (!std::isfinite(value)) refuse("'" + std::string(key) + "' is not a finite float32 number");
  return value;
}

std::int32_t zero_point_from(const Json& json) {
  const auto value = json_get<std::int64_t>(json, "zero_point");
  if (value < std::numeric_limits<std::int16_t>::min() ||
      value > std::numeric_limits<std::uint16_t>::max())
    refuse("'zero_point' is " + std::to_string(value) + ", which no 8 or 16 bits hold");
  return static_cast<std::int32_t>(value);
}

ParamsOverride params_from(const Json& json) {
  ParamsOverride params;
  if (json.contains("quant_type")) params.dtype = quant_type_from(json);
  if (json.contains("scale")) params.scale = real_from(json, "scale");
  if (json.contains("zero_point")) params.zero_point = zero_point_from(json);
  if (json.contains("symmetric")) params.symmetric = json_get<bool>(json, "symmetric");
  if (json.contains("reduce_range")) params.reduce_range = json_get<bool>(json, "reduce_range");
  if (json.contains("rmin")) params.min = real_from(json, "rmin");
  if (json.contains("rmax")) params.max = real_from(json, "rmax");
  if (params.scale.has_value() != params.zero_point.has_value())
    refuse("'scale' and 'zero_point' come together");
  if (params.scale && *params.scale <= 0) refuse("'scale' is not greater than 0");
  if (params.scale && (params.symmetric || params.reduce_range || params.min || params.max))
    refuse("'symmetric', 'reduce_range', 'rmin' and 'rmax' mean nothing beside 'scale'");
  if (params.min && params.max && *params.min > *params.max)
    refuse("'rmin' is greater than 'rmax'");
  return params;
}

ConvertOverride convert_from(const Json& json) {
  require_known_keys(
      json, {"quant_type", "scale", "zero_point", "symmetric", "rmin", "rmax", "recv_nodes"});
  ConvertOverride convert;
  convert.params = params_from(json);
  if (!convert.params.dtype) refuse("'quant_type' is missing");
  if (!json.contains("recv_nodes")) return convert;
  const auto readers = json_get<Json>(json, "recv_nodes");
  if (!readers.is_array()) refuse("'recv_nodes' is not a list of names of nodes");
  convert.readers.emplace();
  for (const Json& name : readers) {
    if (!name.is_string()) refuse("'recv_nodes' is not a list of names of nodes");
    convert.readers->push_back(name.get<std::string>());
  }
  return convert;
}

/// Channels after the first may repeat what holds for all, and set their own numbers.
void require_same(const ParamsOverride& first, const ParamsOverride& next) {
  const auto differs = [](const auto& mine, const auto& all) { return mine && mine != all; };
  if (differs(next.dtype, first.dtype) || differs(next.symmetric, first.symmetric) ||
      differs(next.reduce_range, first.reduce_range))
    refuse("'quant_type', 'symmetric' and 'reduce_range' are those of channel 0");
  if (next.scale.has_value() != first.scale.has_value())
    refuse("'scale' and 'zero_point' are set for all channels or for none");
  const bool both = first.min && first.max;
  if (both && !(next.min && next.max))
    refuse("'rmin' and 'rmax' are set for all channels or for none");
}

TensorOverride override_from(const Json& list) {
  if (!list.is_array() || list.empty())
    refuse("expected a list of objects: one, or one per channel");
  TensorOverride result;
  for (std::size_t i = 0; i < list.size(); ++i) {
    in_context("channel " + std::to_string(i), [&] {
      const Json& entry = list[i];
      require_known_keys(entry, {"quant_type", "scale", "zero_point", "symmetric", "reduce_range",
                                 "rmin", "rmax", "axis", "convert"});
      if (entry.contains("axis")) {
        const auto axis = json_get<std::int64_t>(entry, "axis");
        if (i > 0 && axis != result.axis) refuse("'axis' is that of channel 0");
        result.axis = axis;
      }
      if (entry.contains("convert")) {
        if (i > 0 || result.axis) refuse("'convert' is for activations, which have no channels");
        const auto convert = json_get<Json>(entry, "convert");
        result.convert = in_context("'convert'", [&] { return convert_from(convert); });
      }
      result.params.push_back(params_from(entry));
      if (i > 0) require_same(result.params.front(), result.params.back());
    });
  }
  const ParamsOverride& first = result.params.front();
  if (list.size() > 1 && !result.axis) refuse("'axis' is missing; several channels lie along one");
  if (result.axis && first.min.has_value() != first.max.has_value())
    refuse("'rmin' and 'rmax' come together where there are channels");
  return result;
}

void add_params(const ParamsOverride& params, Json& json) {
  if (params.dtype) json["quant_type"] = quant_type_name(*params.dtype);
  if (params.scale) json["scale"] = *params.scale;
  if (params.zero_point) json["zero_point"] = *params.zero_point;
  if (params.symmetric) json["symmetric"] = *params.symmetric;
  if (params.reduce_range) json["reduce_range"] = *params.reduce_range;
  if (params.min) json["rmin"] = *params.min;
  if (params.max) json["rmax"] = *params.max;
}

}  // namespace

TensorOverrides parse_tensor_overrides(const Json& json) {
  if (!json.is_object()) refuse("expected an object of tensor: list of overrides");
  TensorOverrides overrides;
  for (const auto& [tensor, list] : json.items()) {
    overrides[tensor] = in_context("overrides of '" + tensor + "'",
                                   [&entries = list] { return override_from(entries); });
  }
  return overrides;
}

TensorOverrides load_tensor_overrides(const std::filesystem::path& path) {
  return in_context(path.string(), [&] {
    return parse_tensor_overrides(parse_json(read_file(path, JsonLimits{}.max_bytes)));
  });
}

Json to_json(const TensorOverrides& overrides) {
  Json json = Json::object();
  for (const auto& [tensor, value] : overrides) {
    Json list = Json::array();
    for (const ParamsOverride& params : value.params) {
      Json entry = Json::object();
      add_params(params, entry);
      list.push_back(std::move(entry));
    }
    if (value.axis) list[0]["axis"] = *value.axis;
    if (value.convert) {
      Json& convert = list[0]["convert"];
      add_params(value.convert->params, convert);
      if (value.convert->readers) convert["recv_nodes"] = *value.convert->readers;
    }
    json[tensor] = std::move(list);
  }
  return json;
}

}  // namespace planish
