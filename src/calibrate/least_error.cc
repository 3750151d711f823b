#include <algorithm>
#include <cmath>

#include "calibrate/range_search.h"

namespace planish {
namespace {

/// Ends of a range, as the logarithms to base 2 of the share of the whole that is left; less than
/// kNone leaves nothing.
struct Cut {
  double low = 0.0;
  double high = 0.0;
};
constexpr double kNone = -24.0;

float end_of(float whole, double cut) {
  if (cut >= 0.0) return whole;
  return cut < kNone ? 0.0F : static_cast<float>(whole * std::exp2(cut));
}

class Search {
 public:
  Search(const Distribution& distribution, TensorRange observed, const RangeOptions& options)
      : distribution_(distribution), options_(options) {
    whole_ = {.min = std::min(observed.min, 0.0F), .max = std::max(observed.max, 0.0F)};
    if (options.symmetric) {
      const float greatest = std::max(-whole_.min, whole_.max);
      whole_ = {.min = -greatest, .max = greatest};
    }
    best_ = error_at({});
  }

  TensorRange run() {
    // Octaves of both ends together: a bulk between outliers on both sides is not found by moving
    // one end. Then each grid holds the last one's spacing on either side of the best so far.
    try_around({}, 1.0, static_cast<int>(-kNone) + 1);
    for (const double step : {1.0 / 4, 1.0 / 16, 1.0 / 64}) try_around(cut_, step, 4);
    return range_at(cut_);
  }

 private:
  /// A grid of cuts, up to `count` steps away; the wider of equally good ones is kept.
  void try_around(Cut center, double step, int count) {
    const int low_count = options_.symmetric || whole_.min == 0.0F ? 0 : count;
    const int high_count = !options_.symmetric && whole_.max == 0.0F ? 0 : count;
    for (int low = low_count; low >= -low_count; --low) {
      for (int high = high_count; high >= -high_count; --high) {
        const Cut cut{center.low + low * step, center.high + high * step};
        if (cut.low > 0.0 || cut.high > 0.0) continue;
        const double error = error_at(cut);
        if (error >= best_) continue;
        best_ = error;
        cut_ = cut;
      }
    }
  }

  [[nodiscard]] TensorRange range_at(Cut cut) const {
    if (options_.symmetric) cut.low = cut.high;
    return {.min = end_of(whole_.min, cut.low), .max = end_of(whole_.max, cut.high)};
  }
  [[nodiscard]] double error_at(Cut cut) const {
    return distribution_.mean_square_error(params_of(range_at(cut), options_));
  }

  const Distribution& distribution_;
  const RangeOptions& options_;
  TensorRange whole_;
  Cut cut_;
  double best_ = 0.0;
};

}  // namespace

QuantizationParams params_of(TensorRange range, const RangeOptions& options) {
  ParamsOptions params;
  if (options.symmetric) params.symmetry = Symmetry::kSymmetric;
  return params_for(range, options.activation, params);
}

TensorRange least_error_range(const Distribution& distribution, TensorRange observed,
                              const RangeOptions& options) {
  return Search(distribution, observed, options).run();
}

}  // namespace planish
