// How a calibration method makes a range from what a tensor held, sample by sample.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "planish/quantize/calibration_table.h"

namespace planish {

/// One tensor. Each sample gets a fresh estimator; these are merged in the order of the samples, so
/// that a method may depend on it (a moving average) and the result still not on threads.
class RangeEstimator {
 public:
  virtual ~RangeEstimator() = default;
  /// Elements of one sample, all finite, in no particular order. `range`: their min and max.
  virtual void observe(std::span<const float> elements, TensorRange range) = 0;
  /// Takes in what `next`, an estimator of the same method, saw of the following sample.
  virtual void merge(const RangeEstimator& next) = 0;
  /// Nothing when no element was seen.
  [[nodiscard]] virtual std::optional<TensorRange> range() const = 0;
};

/// @throws Error(kUnsupported) for methods that this version does not have.
std::unique_ptr<RangeEstimator> make_range_estimator(CalibrationMethod method);

}  // namespace planish
