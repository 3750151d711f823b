// From what a tensor held to its range, by any method.
#pragma once

#include <optional>

#include "calibrate/value_statistics.h"
#include "planish/quantize/calibration_table.h"

namespace planish {

struct ChosenRange {
  TensorRange range = {};
  TensorObservation observation = {};
};

/// Whether `method` looks at more than the least and the greatest element, or can cut some off.
bool needs_histogram(CalibrationMethod method);

/// kAuto takes, of the ranges of the methods that it tries, the widest whose expected squared error
/// is at most this many times the least: 1 dB. Measured in docs/calibration.md.
inline constexpr double kAutoTolerance = 1.25;

/// A range within the observed one (symmetric: within the greatest magnitude). Nothing when no
/// element was seen.
/// @throws Error(kInvalidArgument) when the method needs a histogram and none was kept.
std::optional<ChosenRange> choose_range(const ValueStatistics& statistics, CalibrationMethod method,
                                        const RangeOptions& options);

/// What choose_range would say of a range that is given. The statistics must have elements and a
/// histogram.
TensorObservation observe_range(const ValueStatistics& statistics, TensorRange range,
                                const RangeOptions& options);

}  // namespace planish
