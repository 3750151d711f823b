// What calibration keeps of one tensor: enough for every method to choose a range from.
#pragma once

#include <cstdint>
#include <optional>

#include "calibrate/float_sum.h"
#include "calibrate/value_histogram.h"
#include "planish/quantize/calibration_table.h"

namespace planish {

/// Merged from parts it is what it is from the whole, bit for bit, in any order. Its size does not
/// depend on the number of samples.
struct ValueStatistics {
  std::uint64_t samples = 0;  // that had elements
  std::uint64_t elements = 0;
  TensorRange observed = {};  // meaningless without elements
  FloatSum minima = {};       // of the samples
  FloatSum maxima = {};
  std::optional<ValueHistogram> histogram = {};  // nothing: it is not kept

  /// One sample of `count` elements, whose least and greatest are `range`.
  void add_sample(std::uint64_t count, TensorRange range);
  void merge(const ValueStatistics& other);

  friend bool operator==(const ValueStatistics&, const ValueStatistics&) = default;
};

}  // namespace planish
