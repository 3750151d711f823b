#include <algorithm>
#include <cmath>

#include "calibrate/range_search.h"

namespace planish {
namespace {

/// Elements in [low, high).
struct Bin {
  double low = 0.0;
  double high = 0.0;
  std::uint64_t count = 0;
};

std::vector<Bin> bins_of(const ValueHistogram& histogram, Side side) {
  std::vector<Bin> bins;
  for (int octave = 0; octave <= histogram.top_octave(); ++octave) {
    const auto counts = histogram.octave(side, octave);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] == 0) continue;
      const BinEdges edges = bin_edges(octave, i, counts.size());
      bins.push_back({edges.low, edges.low + edges.width, counts[i]});
    }
  }
  return bins;
}

/// All that hold an element, ascending.
std::vector<Bin> ascending(const ValueHistogram& histogram) {
  std::vector<Bin> bins = bins_of(histogram, Side::kNegative);
  std::ranges::reverse(bins);
  for (Bin& bin : bins) bin = {-bin.high, -bin.low, bin.count};
  if (histogram.zeros() > 0) bins.push_back({0.0, 0.0, histogram.zeros()});
  const std::vector<Bin> positive = bins_of(histogram, Side::kPositive);
  bins.insert(bins.end(), positive.begin(), positive.end());
  return bins;
}

std::vector<Bin> ascending_magnitudes(const ValueHistogram& histogram) {
  std::vector<Bin> bins = bins_of(histogram, Side::kNegative);
  const std::vector<Bin> positive = bins_of(histogram, Side::kPositive);
  bins.insert(bins.end(), positive.begin(), positive.end());
  if (histogram.zeros() > 0) bins.push_back({0.0, 0.0, histogram.zeros()});
  std::ranges::sort(bins, {}, &Bin::low);
  return bins;
}

/// The first bin in which more than `allowed` elements have been passed.
template <typename Iterator>
const Bin& first_beyond(Iterator bins, std::uint64_t allowed) {
  std::uint64_t passed = bins->count;
  while (passed <= allowed) passed += (++bins)->count;
  return *bins;
}

}  // namespace

TensorRange percentile_range(const ValueHistogram& histogram, double percentile, bool symmetric) {
  const std::vector<Bin> bins = symmetric ? ascending_magnitudes(histogram) : ascending(histogram);
  std::uint64_t elements = 0;
  for (const Bin& bin : bins) elements += bin.count;
  if (elements == 0) return {};
  const double share = (100.0 - percentile) / (symmetric ? 100.0 : 200.0);
  // Never all of them, whatever the percentile.
  const auto allowed = static_cast<std::uint64_t>(share * static_cast<double>(elements - 1));
  const auto high = static_cast<float>(first_beyond(bins.rbegin(), allowed).high);
  if (symmetric) return {-high, high};
  return {static_cast<float>(first_beyond(bins.begin(), allowed).low), high};
}

}  // namespace planish
