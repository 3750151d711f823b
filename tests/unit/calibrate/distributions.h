// Elements whose distribution is known, and their histogram.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "calibrate/element_counter.h"
#include "calibrate/scan.h"
#include "calibrate/value_histogram.h"
#include "calibrate/value_statistics.h"

namespace planish::test {

inline TensorRange range_of_elements(std::span<const float> elements) {
  const ElementScan scan = scan_elements(elements);
  return {.min = scan.min, .max = scan.max};
}

inline ValueHistogram histogram_of(std::span<const float> elements) {
  ElementCounter counter;
  ValueHistogram histogram;
  counter.count(elements, range_of_elements(elements));
  histogram.take(counter);
  return histogram;
}

/// As if `elements` were one sample.
inline ValueStatistics statistics_of(std::span<const float> elements) {
  ValueStatistics statistics;
  statistics.add_sample(elements.size(), range_of_elements(elements));
  statistics.histogram = histogram_of(elements);
  return statistics;
}

/// The quantiles (i + 1/2) / count: a sample without noise.
inline std::vector<float> quantiles(std::size_t count,
                                    const std::function<double(double)>& quantile) {
  std::vector<float> elements;
  elements.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(count);
    elements.push_back(static_cast<float>(quantile(share)));
  }
  return elements;
}

inline double uniform(double share) { return share; }

/// Standard normal, by bisection of its distribution function.
inline double normal(double share) {
  double low = -10.0;
  double high = 10.0;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < share ? low : high) = middle;
  }
  return (low + high) / 2;
}

/// Standard normal, negative ones at 0: what ReLU leaves.
inline double rectified_normal(double share) { return std::max(normal(share), 0.0); }

/// Laplace of scale 1.
inline double laplace(double share) {
  return share < 0.5 ? std::log(2 * share) : -std::log(2 * (1 - share));
}

/// Cauchy: its tail is so heavy that it has no variance.
inline double cauchy(double share) { return std::tan(3.14159265358979323846 * (share - 0.5)); }

}  // namespace planish::test
