#include "calibrate/value_statistics.h"

#include <algorithm>

namespace planish {
namespace {

void include(ValueStatistics& statistics, std::uint64_t elements, TensorRange range) {
  if (elements == 0) return;
  TensorRange& observed = statistics.observed;
  observed = statistics.elements == 0 ? range
                                      : TensorRange{.min = std::min(observed.min, range.min),
                                                    .max = std::max(observed.max, range.max)};
  statistics.elements += elements;
}

}  // namespace

void ValueStatistics::add_sample(std::uint64_t count, TensorRange range) {
  if (count == 0) return;
  include(*this, count, range);
  ++samples;
  minima.add(range.min);
  maxima.add(range.max);
}

void ValueStatistics::merge(const ValueStatistics& other) {
  include(*this, other.elements, other.observed);
  samples += other.samples;
  minima.merge(other.minima);
  maxima.merge(other.maxima);
  if (histogram && other.histogram) histogram->merge(*other.histogram);
}

}  // namespace planish
