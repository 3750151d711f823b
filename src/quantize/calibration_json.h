// The parts of a calibration file as JSON.
#pragma once

#include <string>
#include <string_view>

#include "planish/base/json.h"
#include "planish/quantize/calibration_table.h"

namespace planish::quantize_detail {

/// [min, max] with no more digits than bring the same float32 back.
Json to_json(TensorRange range);
/// @throws Error(kInvalidArgument) unless it is a pair of finite float32 numbers, min <= max.
TensorRange range_from(const Json& json);

Json to_json(const RangeOptions& options);
/// @throws Error(kInvalidArgument) naming the member and what was expected.
RangeOptions options_from(const Json& json);

Json to_json(const TensorObservation& observation);
/// @throws Error(kInvalidArgument) naming the member and what was expected.
TensorObservation observation_from(const Json& json);

/// A count of a file. @throws Error(kInvalidArgument) when it is negative.
std::uint64_t count_from(const Json& object, std::string_view key);
CalibrationMethod method_from(const Json& object);  // its "method"

/// `json` as text with one line for each member of its members, so that people can read and edit
/// it.
std::string to_lines(const Json& json);

}  // namespace planish::quantize_detail
