#include "calibrate/distribution.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace planish {
namespace {

using Moments = SideMoments::Moments;

constexpr int kDoubleMantissaBits = 52;
constexpr int kDoubleToFloatBias = 1023 - 127;

constexpr int bits_of(int octave, int top) {
  return octave > top - kFineOctaves ? kFineBits : kCoarseBits;
}

/// Of `count` elements spread evenly over [low, low + width).
Moments of_bin(double count, double low, double width) {
  return {count, count * (low + width / 2), count * (low * low + low * width + width * width / 3)};
}

Moments sum_of(const Moments& a, const Moments& b) {
  return {a.count + b.count, a.sum + b.sum, a.sum_of_squares + b.sum_of_squares};
}

/// Sum of (x - level)^2 over the elements between two magnitudes.
double squares_about(double level, const Moments& from, const Moments& to) {
  const double squares = (to.sum_of_squares - from.sum_of_squares) -
                         2 * level * (to.sum - from.sum) + level * level * (to.count - from.count);
  return std::max(squares, 0.0);
}

}  // namespace

SideMoments::SideMoments(const ValueHistogram& histogram, Side side)
    : lowest_(kOctaves), top_(histogram.top_octave()) {
  // From 0 outwards, so that what is small is not lost beside outliers.
  Moments below;
  for (int octave = 0; octave <= top_; ++octave) {
    const auto counts = histogram.octave(side, octave);
    if (counts.empty() && lowest_ == kOctaves) continue;
    lowest_ = std::min(lowest_, octave);
    first_[static_cast<std::size_t>(octave)] = below_.size();
    const std::size_t bins = std::size_t{1} << bits_of(octave, top_);
    for (std::size_t bin = 0; bin < bins; ++bin) {
      below_.push_back(below);
      if (counts.empty() || counts[bin] == 0) continue;
      const BinEdges edges = bin_edges(octave, bin, bins);
      below = sum_of(below, of_bin(static_cast<double>(counts[bin]), edges.low, edges.width));
    }
  }
  below_.push_back(below);
}

Moments SideMoments::below(double magnitude) const {
  const auto bits = std::bit_cast<std::uint64_t>(magnitude);
  const int octave =
      std::max(static_cast<int>(bits >> kDoubleMantissaBits) - kDoubleToFloatBias, 0);
  if (!(magnitude > 0.0) || octave < lowest_) return {};
  if (octave > top_) return all();
  const int bin_bits = bits_of(octave, top_);
  const BinEdges first = bin_edges(octave, 0, std::size_t{1} << bin_bits);
  const double position = (magnitude - first.low) / first.width;  // exact: a power of two
  const double bin = std::floor(position);
  const std::size_t i = first_[static_cast<std::size_t>(octave)] + static_cast<std::size_t>(bin);
  const double share = position - bin;
  const double count = below_[i + 1].count - below_[i].count;
  if (share == 0.0 || count == 0.0) return below_[i];
  return sum_of(below_[i],
                of_bin(count * share, first.low + bin * first.width, share * first.width));
}

/// The magnitude from which on, up to the last level, no bin is narrower than a step.
double SideMoments::even_from(double step, std::int32_t levels) const {
  const double last = step * levels;
  double from = last;
  for (int octave = top_; octave >= lowest_; --octave) {
    const BinEdges first = bin_edges(octave, 0, std::size_t{1} << bits_of(octave, top_));
    if (first.low >= last) continue;
    if (first.width < step) break;
    from = first.low;
  }
  return from;
}

double SideMoments::squared_error(double step, std::int32_t levels) const {
  const double even = even_from(step, levels);
  double error = 0.0;
  Moments before;
  std::int32_t level = 0;
  for (; level < levels; ++level) {
    const double edge = (level + 0.5) * step;
    if (edge > even || before.count == all().count) break;
    const Moments now = below(edge);
    error += squares_about(level * step, before, now);
    before = now;
  }
  if (level < levels) {
    // Spread evenly over more than a step, elements are off by step^2 / 12 in the mean.
    const Moments now = below(step * levels);
    error += (now.count - before.count) * step * step / 12;
    before = now;
  }
  return error + squares_about(step * levels, before, all());
}

Distribution::Distribution(const ValueHistogram& histogram)
    : negative_(histogram, Side::kNegative),
      positive_(histogram, Side::kPositive),
      zeros_(static_cast<double>(histogram.zeros())),
      elements_(negative_.all().count + zeros_ + positive_.all().count) {}

double Distribution::count_below(double value) const {
  const double negative = negative_.all().count;
  if (value <= 0.0) return negative - negative_.below(-value).count;
  return negative + zeros_ + positive_.below(value).count;
}

double Distribution::mean_square() const {
  if (elements_ == 0.0) return 0.0;
  return (negative_.all().sum_of_squares + positive_.all().sum_of_squares) / elements_;
}

double Distribution::mean_square_error(const QuantizationParams& params) const {
  if (elements_ == 0.0) return 0.0;
  const IntegerLimits limits = integer_limits(params.dtype);
  const double step = params.scale;
  return (negative_.squared_error(step, params.zero_point - limits.min) +
          positive_.squared_error(step, limits.max - params.zero_point)) /
         elements_;
}

}  // namespace planish
