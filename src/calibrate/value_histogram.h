// How the elements of one tensor are distributed: exact counts in bins that no data chooses.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "calibrate/element_counter.h"

namespace planish {

/// Counts of zeros and of the bins of element_counter.h. The highest octave that holds an element
/// and the two below are fine, the others coarse. When a greater magnitude comes in, octaves become
/// coarse by adding up eight bins each: so the histogram is a function of the multiset of elements
/// alone, whatever their order and whichever parts were merged.
///
/// A bin's width is 2^-11 of its octave's lower end in the fine octaves, 2^-8 in the coarse ones.
/// Takes about 15 kB an octave that is fine and 2 kB one that is coarse, for each side.
class ValueHistogram {
 public:
  /// Adds what `counter` counted last, and empties it.
  void take(ElementCounter& counter);
  void merge(const ValueHistogram& other);

  [[nodiscard]] std::uint64_t zeros() const { return zeros_; }
  /// The highest octave; at least kFineOctaves - 1.
  [[nodiscard]] int top_octave() const { return top_; }
  /// Counts of an octave's bins by ascending magnitude: 2048 when it is fine, 256 when it is
  /// coarse; none when it holds no element.
  [[nodiscard]] std::span<const std::uint64_t> octave(Side side, int octave) const;

  friend bool operator==(const ValueHistogram&, const ValueHistogram&) = default;

 private:
  using Octaves = std::array<std::vector<std::uint64_t>, kOctaves>;

  void raise_top(int top);
  template <typename Count>
  void add(Side side, int octave, std::span<const Count> bins);

  std::array<Octaves, 2> sides_ = {};  // by Side
  std::uint64_t zeros_ = 0;
  int top_ = kFineOctaves - 1;
};

/// Magnitudes of one bin of an octave that has `bins` bins: [low, low + width).
struct BinEdges {
  double low = 0.0;
  double width = 0.0;
};
BinEdges bin_edges(int octave, std::size_t bin, std::size_t bins);

/// The same elements in bins of equal width: bin k of a side counts magnitudes [k, k + 1) * width,
/// without zeros. Sides end with their last element.
struct LinearHistogram {
  double width = 0.0;
  std::vector<std::uint64_t> negative = {};
  std::vector<std::uint64_t> positive = {};
  std::uint64_t zeros = 0;
};

/// At least `bins` and less than 2 * bins bins up to the greatest magnitude, each count exact: the
/// width is a power of two, 1/bins of the top octave's lower end, and no bin of the histogram
/// straddles an edge. `bins`: a power of two, at most 2048.
LinearHistogram linear_histogram(const ValueHistogram& histogram, std::size_t bins);

}  // namespace planish
