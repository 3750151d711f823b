#include "planish/bench/latency.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "planish/base/json.h"

namespace planish {

double quantile(std::span<const double> sorted, double q) {
  if (sorted.empty()) return 0.0;
  const double position = std::clamp(q, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double share = position - static_cast<double>(below);
  return sorted[below] + share * (sorted[above] - sorted[below]);
}

LatencySummary summarize(std::span<const double> milliseconds) {
  LatencySummary summary;
  summary.count = milliseconds.size();
  if (milliseconds.empty()) return summary;
  std::vector<double> sorted(milliseconds.begin(), milliseconds.end());
  std::ranges::sort(sorted);
  const auto count = static_cast<double>(sorted.size());
  summary.min = sorted.front();
  summary.max = sorted.back();
  summary.mean = std::accumulate(sorted.begin(), sorted.end(), 0.0) / count;
  summary.p50 = quantile(sorted, 0.50);
  summary.p90 = quantile(sorted, 0.90);
  summary.p95 = quantile(sorted, 0.95);
  summary.p99 = quantile(sorted, 0.99);
  double squares = 0.0;
  for (const double value : sorted) squares += (value - summary.mean) * (value - summary.mean);
  summary.stddev = sorted.size() > 1 ? std::sqrt(squares / (count - 1.0)) : 0.0;
  return summary;
}

Json to_json(const LatencySummary& summary) {
  Json json;
  json["p50"] = summary.p50;
  json["p90"] = summary.p90;
  json["p95"] = summary.p95;
  json["p99"] = summary.p99;
  json["mean"] = summary.mean;
  json["min"] = summary.min;
  json["max"] = summary.max;
  json["stddev"] = summary.stddev;
  json["runs"] = summary.count;
  return json;
}

RatioEstimate estimate_median(std::vector<double> ratios) {
  if (ratios.empty()) return {};
  std::ranges::sort(ratios);
  const auto count = static_cast<double>(ratios.size());
  // The number of values below the true median is binomial(n, 1/2); 1.96 deviations either side.
  const double reach = 0.98 * std::sqrt(count);
  const double low = std::floor((count - 1.0) / 2.0 - reach);
  const double high = std::ceil((count - 1.0) / 2.0 + reach);
  RatioEstimate estimate;
  estimate.median = quantile(ratios, 0.5);
  estimate.low = ratios[static_cast<std::size_t>(std::max(low, 0.0))];
  estimate.high = ratios[static_cast<std::size_t>(std::min(high, count - 1.0))];
  return estimate;
}

}  // namespace planish
