#include "calibrate/value_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>

namespace planish {
namespace {

constexpr std::size_t kFine = std::size_t{1} << kFineBits;
constexpr std::size_t kCoarse = std::size_t{1} << kCoarseBits;
constexpr int kExponentBias = 127;

bool is_fine(int octave, int top) { return octave > top - kFineOctaves; }

std::vector<std::uint64_t> coarsened(std::span<const std::uint64_t> fine) {
  std::vector<std::uint64_t> coarse(kCoarse);
  for (std::size_t i = 0; i < fine.size(); ++i) coarse[i / (kFine / kCoarse)] += fine[i];
  return coarse;
}

}  // namespace

std::span<const std::uint64_t> ValueHistogram::octave(Side side, int octave) const {
  return sides_[static_cast<std::size_t>(side)][static_cast<std::size_t>(octave)];
}

void ValueHistogram::raise_top(int top) {
  if (top <= top_) return;
  const int lowest_fine = top_ - kFineOctaves + 1;
  const int highest_coarse = std::min(top_, top - kFineOctaves);
  for (Octaves& octaves : sides_) {
    for (int octave = lowest_fine; octave <= highest_coarse; ++octave) {
      auto& bins = octaves[static_cast<std::size_t>(octave)];
      if (!bins.empty()) bins = coarsened(bins);
    }
  }
  top_ = top;
}

/// `bins` may be finer than the octave is here, never coarser: top_ is not below theirs.
template <typename Count>
void ValueHistogram::add(Side side, int octave, std::span<const Count> bins) {
  if (std::ranges::all_of(bins, [](Count count) { return count == 0; })) return;
  auto& mine = sides_[static_cast<std::size_t>(side)][static_cast<std::size_t>(octave)];
  if (mine.empty()) mine.resize(is_fine(octave, top_) ? kFine : kCoarse);
  const std::size_t each = bins.size() / mine.size();
  for (std::size_t i = 0; i < bins.size(); ++i) mine[i / each] += bins[i];
}

void ValueHistogram::take(ElementCounter& counter) {
  raise_top(counter.top_octave());
  zeros_ += counter.drain([this](Side side, int octave, std::span<const std::uint32_t> bins) {
    add(side, octave, bins);
  });
}

void ValueHistogram::merge(const ValueHistogram& other) {
  raise_top(other.top_);
  zeros_ += other.zeros_;
  for (const Side side : {Side::kNegative, Side::kPositive}) {
    for (int octave = 0; octave <= other.top_; ++octave) {
      add(side, octave, other.octave(side, octave));
    }
  }
}

BinEdges bin_edges(int octave, std::size_t bin, std::size_t bins) {
  const double start = std::ldexp(1.0, std::max(octave, 1) - kExponentBias);
  const double width = start / static_cast<double>(bins);
  return {(octave == 0 ? 0.0 : start) + static_cast<double>(bin) * width, width};
}

LinearHistogram linear_histogram(const ValueHistogram& histogram, std::size_t bins) {
  const int top = std::max(histogram.top_octave(), 1);
  LinearHistogram linear;
  linear.width = std::ldexp(1.0, top - kExponentBias) / static_cast<double>(bins);
  linear.zeros = histogram.zeros();
  for (const Side side : {Side::kNegative, Side::kPositive}) {
    std::vector<std::uint64_t>& counts =
        side == Side::kNegative ? linear.negative : linear.positive;
    counts.resize(2 * bins);
    for (int octave = 0; octave <= histogram.top_octave(); ++octave) {
      const auto fine = histogram.octave(side, octave);
      // The lower edge of bin i is (implicit + i) / fine.size() * 2^(octave - top) tops.
      const std::size_t implicit = octave == 0 ? 0 : fine.size();
      const int shift = std::countr_zero(fine.size()) + top - std::max(octave, 1);
      for (std::size_t i = 0; i < fine.size(); ++i) {
        const std::size_t index = shift < 64 ? ((implicit + i) * bins) >> shift : 0;
        counts[index] += fine[i];
      }
    }
    while (!counts.empty() && counts.back() == 0) counts.pop_back();
  }
  return linear;
}

}  // namespace planish
