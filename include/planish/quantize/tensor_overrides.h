// Quantization parameters that a user sets for single tensors, in place of what planning computes.
// The same as TensorQuantOverrides of onnxruntime.quantization; file format:
// docs/formats/tensor-overrides.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/graph/dtype.h"

namespace planish {

/// What replaces the computed parameters of a tensor, or of one channel of it.
/// Invariant: scale and zero_point come together, and then alone but for dtype.
struct ParamsOverride {
  std::optional<DType> dtype = {};
  std::optional<float> scale = {};  // finite, > 0
  std::optional<std::int32_t> zero_point = {};
  std::optional<bool> symmetric = {};
  std::optional<bool> reduce_range = {};  // initializers only
  std::optional<float> min = {};          // of the real range, in place of the observed one
  std::optional<float> max = {};
  friend bool operator==(const ParamsOverride&, const ParamsOverride&) = default;
};

/// QDQ, activations: some or all readers get the values in other integers, by a second pair behind
/// the first.
struct ConvertOverride {
  ParamsOverride params = {};                            // dtype is set
  std::optional<std::vector<std::string>> readers = {};  // names of nodes; nothing: all
  friend bool operator==(const ConvertOverride&, const ConvertOverride&) = default;
};

struct TensorOverride {
  /// Nothing: one scale for the tensor. Else initializers only, one scale per index along it.
  std::optional<std::int64_t> axis = {};
  /// One entry, or with `axis` one or one per index. dtype, symmetric and reduce_range are the
  /// first one's for all.
  std::vector<ParamsOverride> params = {};
  std::optional<ConvertOverride> convert = {};
  friend bool operator==(const TensorOverride&, const TensorOverride&) = default;
};

/// By tensor name.
using TensorOverrides = std::map<std::string, TensorOverride, std::less<>>;

/// @throws Error(kInvalidArgument) naming tensor and member, and what was expected.
TensorOverrides parse_tensor_overrides(const Json& json);
/// @throws Error kNotFound, kCorrupt, and as above.
TensorOverrides load_tensor_overrides(const std::filesystem::path& path);
Json to_json(const TensorOverrides& overrides);

}  // namespace planish
