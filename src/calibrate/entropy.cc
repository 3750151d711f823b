#include <algorithm>
#include <cmath>
#include <limits>

#include "calibrate/range_search.h"

namespace planish {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double x_log_x(double x) { return x > 0.0 ? x * std::log(x) : 0.0; }

struct Window {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Keeps the window of least divergence; of equal ones the first that was tried.
class Best {
 public:
  Best(const EntropySearch& search, Window first)
      : search_(search), window_(first), divergence_(search.divergence(first.begin, first.end)) {}
  bool try_window(Window window) {
    const double divergence = search_.divergence(window.begin, window.end);
    if (!(divergence < divergence_)) return false;
    divergence_ = divergence;
    window_ = window;
    return true;
  }
  [[nodiscard]] Window window() const { return window_; }

 private:
  const EntropySearch& search_;
  Window window_;
  double divergence_ = kInfinity;
};

/// The best window of at least `levels` bins around bin `zero`, out of `size` bins.
Window best_window(const EntropySearch& search, std::size_t zero, std::size_t size,
                   std::size_t levels) {
  const std::size_t low = zero;  // bins below 0, and above
  const std::size_t high = size - zero;
  Best best(search, {0, size});
  if (low > 0 && high > 0) {
    constexpr std::size_t kProportions = 256;
    for (std::size_t i = kProportions - 1; i > 0; --i) {
      const Window window{zero - low * i / kProportions, zero + high * i / kProportions};
      if (window.end - window.begin >= levels) best.try_window(window);
    }
  }
  // Each turn lowers the divergence, so it ends; a handful is what real tensors take.
  for (bool moved = true; moved;) {
    moved = false;
    const std::size_t begin = best.window().begin;
    for (std::size_t end = size; end >= std::max(zero, begin + levels); --end)
      best.try_window({begin, end});
    if (low == 0) break;
    const std::size_t end = best.window().end;
    for (std::size_t from = 0; from <= zero && from + levels <= end; ++from)
      moved = best.try_window({from, end}) || moved;
    if (high == 0) break;
  }
  return best.window();
}

std::vector<std::uint64_t> magnitudes(const LinearHistogram& histogram) {
  std::vector<std::uint64_t> counts(std::max(histogram.negative.size(), histogram.positive.size()));
  for (std::size_t i = 0; i < histogram.negative.size(); ++i) counts[i] += histogram.negative[i];
  for (std::size_t i = 0; i < histogram.positive.size(); ++i) counts[i] += histogram.positive[i];
  return counts;
}

}  // namespace

EntropySearch::EntropySearch(std::span<const std::uint64_t> counts, std::uint64_t zeros,
                             std::size_t levels)
    : counts_(counts), zeros_(static_cast<double>(zeros)), levels_(levels) {
  const std::size_t sums = counts.size() + 1;
  count_.resize(sums);
  count_log_count_.resize(sums);
  not_empty_.resize(sums);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto count = static_cast<double>(counts[i]);
    count_[i + 1] = count_[i] + count;
    count_log_count_[i + 1] = count_log_count_[i] + x_log_x(count);
    not_empty_[i + 1] = not_empty_[i] + (counts[i] > 0 ? 1 : 0);
  }
}

double EntropySearch::divergence(std::size_t begin, std::size_t end) const {
  const double below = count_[begin];
  const double above = count_.back() - count_[end];
  const auto first = static_cast<double>(counts_[begin]);
  const auto last = static_cast<double>(counts_[end - 1]);
  if ((below > 0.0 && first == 0.0) || (above > 0.0 && last == 0.0)) return kInfinity;
  double p_log_p = count_log_count_[end] - count_log_count_[begin];
  p_log_p += x_log_x(first + below) - x_log_x(first) + x_log_x(last + above) - x_log_x(last);
  double p_log_q = 0.0;
  std::size_t from = begin;
  for (std::size_t level = 0; level < levels_; ++level) {
    const std::size_t to = begin + (level + 1) * (end - begin) / levels_;
    double p = count_[to] - count_[from];
    if (p > 0.0) {
      const double log_q = std::log(p / (not_empty_[to] - not_empty_[from]));
      if (level == 0) p += below;
      if (level + 1 == levels_) p += above;
      p_log_q += p * log_q;
    }
    from = to;
  }
  // Both are normalized: P by all elements, Q by those within.
  const double all = count_.back() + zeros_;
  const double within = count_[end] - count_[begin] + zeros_;
  return (p_log_p - p_log_q) / all + std::log(within / all);
}

TensorRange entropy_range(const LinearHistogram& histogram, const RangeOptions& options) {
  const IntegerLimits limits = integer_limits(
      options.activation, options.symmetric ? Symmetry::kSymmetric : Symmetry::kAsymmetric);
  std::size_t levels = static_cast<std::size_t>(limits.max - limits.min) + 1;
  std::size_t zero = histogram.negative.size();
  std::vector<std::uint64_t> counts(histogram.negative.rbegin(), histogram.negative.rend());
  counts.insert(counts.end(), histogram.positive.begin(), histogram.positive.end());
  if (options.symmetric) {
    levels = (levels + 1) / 2;
    zero = 0;
    counts = magnitudes(histogram);
  }
  Window window{0, counts.size()};
  if (counts.size() > levels) {
    const EntropySearch search(counts, histogram.zeros, levels);
    window = best_window(search, zero, counts.size(), levels);
  }
  const auto high = static_cast<double>(window.end - zero) * histogram.width;
  const auto low = static_cast<double>(zero - window.begin) * histogram.width;
  // 0 - 0 is 0, where -0 would be written to files.
  if (options.symmetric) return {static_cast<float>(0.0 - high), static_cast<float>(high)};
  return {static_cast<float>(0.0 - low), static_cast<float>(high)};
}

}  // namespace planish
