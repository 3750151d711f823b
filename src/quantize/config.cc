#include "planish/quantize/config.h"

#include <algorithm>
#include <array>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/json.h"

namespace planish {
namespace {

template <typename Enum>
using NameRow = std::pair<Enum, std::string_view>;

constexpr std::array kModes{
    NameRow<QuantizationMode>{QuantizationMode::kStatic, "static"},
    NameRow<QuantizationMode>{QuantizationMode::kDynamic, "dynamic"},
};
constexpr std::array kFormats{
    NameRow<QuantizationFormat>{QuantizationFormat::kQdq, "qdq"},
    NameRow<QuantizationFormat>{QuantizationFormat::kQOperator, "qoperator"},
};
constexpr std::array kGranularities{
    NameRow<Granularity>{Granularity::kPerTensor, "per-tensor"},
    NameRow<Granularity>{Granularity::kPerChannel, "per-channel"},
};
constexpr std::array kProfiles{
    NameRow<QuantizationProfile>{QuantizationProfile::kBest, "best"},
    NameRow<QuantizationProfile>{QuantizationProfile::kOnnxRuntime132, "onnxruntime-1.32"},
};
constexpr std::array kQuantizedTypes{
    NameRow<DType>{DType::kUInt8, "u8"},
    NameRow<DType>{DType::kInt8, "s8"},
    NameRow<DType>{DType::kUInt16, "u16"},
    NameRow<DType>{DType::kInt16, "s16"},
};

template <typename Rows, typename Enum>
std::string_view name_in(const Rows& rows, Enum value) {
  for (const auto& [key, name] : rows) {
    if (key == value) return name;
  }
  throw Error(ErrorCode::kInternal, "an option without a name");
}

template <typename Enum, std::size_t N>
std::optional<Enum> value_in(const std::array<NameRow<Enum>, N>& rows, std::string_view wanted) {
  for (const auto& [value, name] : rows) {
    if (name == wanted) return value;
  }
  return std::nullopt;
}

bool is_16_bit(DType dtype) { return dtype == DType::kUInt16 || dtype == DType::kInt16; }

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorCode::kInvalidArgument, why); }

/// What runs, but not as a user of `target` expects.
void validate_for_target(const QuantizationConfig& config) {
  const TargetRow& target = row_of(config.target);
  if (config.activation == DType::kInt8 && target.activation != DType::kInt8)
    refuse("s8 activations on " + std::string(target.name) +
           ": no kernel multiplies them, and the model would be slower than FP32; use u8, or name "
           "another target");
  if (target.u8s8_saturates && config.activation == DType::kUInt8 &&
      config.weight == DType::kInt8 && config.symmetric_weights == false)
    refuse("asymmetric s8 weights on " + std::string(target.name) +
           ": its sums of products saturate whatever the scale; use symmetric ones, or u8");
}

}  // namespace

std::string_view name_of(QuantizationMode mode) { return name_in(kModes, mode); }
std::string_view name_of(QuantizationFormat format) { return name_in(kFormats, format); }
std::string_view name_of(Granularity granularity) { return name_in(kGranularities, granularity); }
std::string_view name_of(QuantizationProfile profile) { return name_in(kProfiles, profile); }
std::optional<QuantizationMode> quantization_mode_from(std::string_view name) {
  return value_in(kModes, name);
}
std::optional<QuantizationFormat> quantization_format_from(std::string_view name) {
  return value_in(kFormats, name);
}
std::optional<QuantizationProfile> quantization_profile_from(std::string_view name) {
  return value_in(kProfiles, name);
}
std::optional<DType> quantized_dtype_from(std::string_view name) {
  return value_in(kQuantizedTypes, name);
}

std::string short_name_of(DType quantized) {
  for (const auto& [dtype, name] : kQuantizedTypes) {
    if (dtype == quantized) return std::string(name);
  }
  return std::string(name_of(quantized));
}

void validate(const QuantizationConfig& config) {
  for (const DType dtype : {config.activation, config.weight}) {
    if (std::ranges::none_of(kQuantizedTypes, [&](const auto& row) { return row.first == dtype; }))
      refuse("quantization to " + std::string(name_of(dtype)) + "; expected u8, s8, u16 or s16");
  }
  if (config.activation == DType::kInt8 && config.weight == DType::kUInt8)
    refuse("s8 activations with u8 weights: no kernel multiplies them; use s8 weights");
  const bool dynamic = config.mode == QuantizationMode::kDynamic;
  if ((is_16_bit(config.activation) || is_16_bit(config.weight)) &&
      (dynamic || config.format != QuantizationFormat::kQdq))
    refuse("16-bit integers need static mode and format qdq");
  if (dynamic && config.activation != DType::kUInt8)
    refuse("dynamic mode measures activations as u8; " + short_name_of(config.activation) +
           " was asked for");
  if (config.profile == QuantizationProfile::kBest) validate_for_target(config);
  for (const std::string& name : config.include_nodes) {
    if (std::ranges::count(config.exclude_nodes, name) > 0)
      refuse("node '" + name + "' is both included and excluded");
  }
}

Json to_json(const QuantizationConfig& config) {
  Json json;
  json["mode"] = name_of(config.mode);
  if (config.mode == QuantizationMode::kStatic) json["format"] = name_of(config.format);
  json["profile"] = name_of(config.profile);
  if (config.profile == QuantizationProfile::kBest) json["target"] = name_of(config.target);
  json["activation"] = short_name_of(config.activation);
  json["weight"] = short_name_of(config.weight);
  json["weights"] = name_of(config.weights);
  json["reduce_range"] = config.reduce_range;
  json["symmetric_activations"] = config.symmetric_activations;
  if (config.symmetric_weights) json["symmetric_weights"] = *config.symmetric_weights;
  if (config.restricted_zero_points) json["restricted_zero_points"] = true;
  if (config.min_real_range) json["min_real_range"] = *config.min_real_range;
  if (!config.op_types.empty()) json["op_types"] = config.op_types;
  if (!config.exclude_nodes.empty()) json["exclude_nodes"] = config.exclude_nodes;
  if (!config.include_nodes.empty()) json["include_nodes"] = config.include_nodes;
  if (config.bodies) json["bodies"] = *config.bodies;
  if (config.matmul_const_b_only) json["matmul_const_b_only"] = *config.matmul_const_b_only;
  if (config.force_data_movement) json["force_data_movement"] = true;
  if (config.qdq_pair_on_weights) json["qdq_pair_on_weights"] = true;
  if (config.dedicated_qdq_pairs) json["dedicated_qdq_pairs"] = true;
  if (config.keep_removable_activations) json["keep_removable_activations"] = true;
  if (!config.quantize_bias) json["quantize_bias"] = false;
  if (!config.adjust_weights_for_bias) json["adjust_weights_for_bias"] = false;
  if (!config.exclude_output_types.empty())
    json["exclude_output_types"] = config.exclude_output_types;
  if (!config.channel_axes.empty()) json["channel_axes"] = config.channel_axes;
  if (config.contrib_qdq) json["contrib_qdq"] = true;
  if (!config.tensor_overrides.empty()) json["tensor_overrides"] = to_json(config.tensor_overrides);
  return json;
}

}  // namespace planish
