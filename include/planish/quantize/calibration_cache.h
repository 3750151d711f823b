// The calibration cache of the onnxruntime.quantization Python package (`calibration_cache_path`):
// ranges that it and planish can hand to each other. Format: docs/formats/calibration.md.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "planish/base/json_fwd.h"
#include "planish/graph/model.h"
#include "planish/quantize/calibration_table.h"

namespace planish {

/// The files that ranges are written to; load_calibration_table() tells them apart.
enum class CalibrationFormat {
  kPlanish,      // with digests of model and data
  kOnnxRuntime,  // what quantize_static() of onnxruntime 1.32 reads in place of calibrating
};
std::string_view name_of(CalibrationFormat format);  // "planish", "onnxruntime"
std::optional<CalibrationFormat> calibration_format_from(std::string_view name);

/// Whether `json` says that it is a cache of onnxruntime.quantization ("CLS": "TensorsData").
bool is_onnxruntime_cache(const Json& json);

/// The ranges of a cache; it knows neither model nor data, so digests and samples are empty.
/// @throws Error(kCorrupt, kInvalidArgument) naming the member and what was expected;
///   Error(kUnsupported) for ranges per channel, of Distribution (float8), or behind SmoothQuant.
CalibrationTable parse_onnxruntime_cache(const Json& json);

/// `table` as such a cache, for the model of `graph`: ranges of float16 tensors say that they are,
/// since the package gives a scale the type of its range. Methods that the package does not have
/// are named MinMax: it compares the name with its `calibrate_method` argument, whose default that
/// is, and uses it for nothing else.
Json to_onnxruntime_cache(const CalibrationTable& table, const Graph& graph);
void save_onnxruntime_cache(const CalibrationTable& table, const Graph& graph,
                            const std::filesystem::path& path);

}  // namespace planish
