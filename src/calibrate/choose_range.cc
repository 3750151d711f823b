#include "calibrate/choose_range.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "calibrate/range_search.h"
#include "planish/base/error.h"

namespace planish {
namespace {

/// Bins of the histogram that goes to the file: enough to draw, few enough to keep it small.
constexpr int kDrawnBins = 32;

TensorRange symmetric(TensorRange range) {
  const float greatest = std::max(std::abs(range.min), std::abs(range.max));
  return {.min = -greatest, .max = greatest};
}

TensorRange mean_of_samples(const ValueStatistics& statistics) {
  const auto samples = static_cast<double>(statistics.samples);
  return {.min = static_cast<float>(statistics.minima.value() / samples),
          .max = static_cast<float>(statistics.maxima.value() / samples)};
}

/// One tensor's ranges by every method that needs its histogram, and what they cost.
class Chooser {
 public:
  Chooser(const ValueStatistics& statistics, const RangeOptions& options)
      : statistics_(statistics), options_(options), distribution_(*statistics.histogram) {}

  [[nodiscard]] TensorRange range_by(CalibrationMethod method) const {
    const ValueHistogram& histogram = *statistics_.histogram;
    switch (method) {
      case CalibrationMethod::kPercentile:
        return percentile_range(histogram, options_.percentile, options_.symmetric);
      case CalibrationMethod::kEntropy:
        return entropy_range(linear_histogram(histogram, options_.bins), options_);
      case CalibrationMethod::kMse:
        return least_error_range(distribution_, statistics_.observed, options_);
      case CalibrationMethod::kMovingAverage:
        return mean_of_samples(statistics_);
      case CalibrationMethod::kMinMax:
      case CalibrationMethod::kAuto:
        break;
    }
    return statistics_.observed;
  }

  [[nodiscard]] double error_of(TensorRange range) const {
    return distribution_.mean_square_error(params_of(range, options_));
  }

  void describe(TensorRange range, TensorObservation& observation) const {
    const TensorRange seen = statistics_.observed;
    const double all = distribution_.elements();
    // An end that was observed cuts nothing off, though elements share its bin. A range above or
    // below 0 is widened to it.
    double clipped = 0.0;
    if (range.min > seen.min && range.min < 0.0F) clipped += distribution_.count_below(range.min);
    if (range.max < seen.max && range.max > 0.0F)
      clipped += all - distribution_.count_below(range.max);
    observation.clipped = clipped / all;
    const double error = error_of(range);
    if (error > 0.0) {
      observation.sqnr_db = 10.0 * std::log10(distribution_.mean_square() / error);
    }
    draw(observation);
  }

 private:
  void draw(TensorObservation& observation) const {
    const double min = statistics_.observed.min;
    const double max = statistics_.observed.max;
    // Rounded sums, so that the bins add up to the number of elements.
    std::uint64_t before = 0;
    for (int i = 1; i <= kDrawnBins; ++i) {
      const double edge = min + (max - min) * i / kDrawnBins;
      const std::uint64_t below = i == kDrawnBins
                                      ? statistics_.elements
                                      : static_cast<std::uint64_t>(distribution_.count_below(edge));
      observation.histogram.push_back(below - before);
      before = below;
    }
  }

  const ValueStatistics& statistics_;
  const RangeOptions& options_;
  Distribution distribution_;
};

TensorRange within_observed(TensorRange range, TensorRange observed, const RangeOptions& options) {
  if (options.symmetric) {
    const float end = std::min(symmetric(range).max, symmetric(observed).max);
    return {.min = -end, .max = end};
  }
  return {.min = std::clamp(range.min, observed.min, observed.max),
          .max = std::clamp(range.max, observed.min, observed.max)};
}

struct Candidate {
  CalibrationMethod method = CalibrationMethod::kMinMax;
  TensorRange range = {};
  double error = 0.0;

  [[nodiscard]] double width() const {
    return static_cast<double>(range.max) - static_cast<double>(range.min);
  }
};

/// What calibration data show of the greatest elements is a lower bound of what will come; so what
/// costs next to nothing is not cut off.
Candidate best_candidate(const Chooser& chooser, TensorRange observed,
                         const RangeOptions& options) {
  std::array<Candidate, 4> candidates{{{CalibrationMethod::kMinMax},
                                       {CalibrationMethod::kPercentile},
                                       {CalibrationMethod::kEntropy},
                                       {CalibrationMethod::kMse}}};
  for (Candidate& candidate : candidates) {
    candidate.range = within_observed(chooser.range_by(candidate.method), observed, options);
    candidate.error = chooser.error_of(candidate.range);
  }
  Candidate best = std::ranges::min(candidates, {}, &Candidate::error);
  const double limit = kAutoTolerance * best.error;
  for (const Candidate& candidate : candidates) {
    if (candidate.error <= limit && candidate.width() > best.width()) best = candidate;
  }
  return best;
}

}  // namespace

bool needs_histogram(CalibrationMethod method) { return method != CalibrationMethod::kMinMax; }

std::optional<ChosenRange> choose_range(const ValueStatistics& statistics, CalibrationMethod method,
                                        const RangeOptions& options) {
  if (statistics.elements == 0) return std::nullopt;
  const TensorRange observed = statistics.observed;
  ChosenRange chosen;
  chosen.observation = {.observed = observed, .elements = statistics.elements};
  if (!statistics.histogram) {
    if (needs_histogram(method)) {
      throw Error(ErrorCode::kInvalidArgument,
                  "ranges by " + std::string(name_of(method)) +
                      " of samples that were run for minmax; expected a calibrator of that method");
    }
    chosen.range = within_observed(observed, observed, options);
    return chosen;
  }
  const Chooser chooser(statistics, options);
  if (method == CalibrationMethod::kAuto) {
    const Candidate best = best_candidate(chooser, observed, options);
    chosen.range = best.range;
    chosen.observation.method = best.method;
  } else {
    chosen.range = within_observed(chooser.range_by(method), observed, options);
  }
  chooser.describe(chosen.range, chosen.observation);
  return chosen;
}

TensorObservation observe_range(const ValueStatistics& statistics, TensorRange range,
                                const RangeOptions& options) {
  TensorObservation observation{.observed = statistics.observed, .elements = statistics.elements};
  Chooser(statistics, options).describe(range, observation);
  return observation;
}

}  // namespace planish
