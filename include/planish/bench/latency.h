// Summaries of measured times.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "planish/base/json_fwd.h"

namespace planish {

/// The value below which the share `q` in [0, 1] of `sorted` lies, interpolated linearly between
/// neighbours (Hyndman and Fan, 1996, type 7: what NumPy does). 0 for no values.
double quantile(std::span<const double> sorted, double q);

/// Milliseconds, over all runs: no outlier is removed.
struct LatencySummary {
  std::size_t count = 0;
  double min = 0, mean = 0, p50 = 0, p90 = 0, p95 = 0, p99 = 0, max = 0, stddev = 0;
};

LatencySummary summarize(std::span<const double> milliseconds);
Json to_json(const LatencySummary& summary);

/// A median of ratios with the interval that holds the true median with 95 % confidence
/// (order statistics of the binomial distribution: no assumption on the shape).
struct RatioEstimate {
  double median = 1.0;
  double low = 1.0;
  double high = 1.0;
};

RatioEstimate estimate_median(std::vector<double> ratios);

}  // namespace planish
