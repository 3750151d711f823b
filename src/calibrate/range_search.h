// The methods that look for a range in a histogram. Equations: docs/calibration.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "calibrate/distribution.h"
#include "calibrate/value_histogram.h"
#include "planish/quantize/calibration_table.h"
#include "planish/quantize/params.h"

namespace planish {

/// Leaves out at most (100 - percentile) / 2 percent of the elements at either end; when symmetric,
/// (100 - percentile) percent by magnitude. Ends are edges of bins: less than one bin beyond the
/// element that is the exact answer.
TensorRange percentile_range(const ValueHistogram& histogram, double percentile, bool symmetric);

/// The parameters that a range gets: the options' integers and symmetry.
QuantizationParams params_of(TensorRange range, const RangeOptions& options);

/// The range within `observed` whose integers lose least: E[(x - dequantize(quantize(x)))^2] is
/// least (and so the signal to quantization noise ratio greatest). Both ends are searched, from the
/// whole range down to 2^-24 of it and 0, ending with steps of 2^(1/64).
TensorRange least_error_range(const Distribution& distribution, TensorRange observed,
                              const RangeOptions& options);

/// D(P || Q) of what an integer type makes of a histogram that is cut off to a window; Migacz,
/// "8-bit inference with TensorRT", 2017. In nats, in float64, nothing rounded or smoothed.
class EntropySearch {
 public:
  /// counts: bins of equal width, ascending; zeros: elements that are exactly 0, a symbol of its
  /// own that every quantization keeps; levels: integers that the window is divided into.
  EntropySearch(std::span<const std::uint64_t> counts, std::uint64_t zeros, std::size_t levels);

  /// Of window [begin, end), levels <= end - begin. P: the bins within, what lies outside added to
  /// the first and the last. Q: the bins within, each level's count spread evenly over its bins
  /// that are not empty; level j holds bins [j, j + 1) * (end - begin) / levels. Infinite when Q is
  /// 0 where P is not: an empty first or last bin with elements outside.
  [[nodiscard]] double divergence(std::size_t begin, std::size_t end) const;

 private:
  std::span<const std::uint64_t> counts_;
  double zeros_ = 0.0;
  std::size_t levels_ = 0;
  // Sums over bins [0, i).
  std::vector<double> count_;
  std::vector<double> count_log_count_;
  std::vector<std::uint32_t> not_empty_;
};

/// The window around 0 of least divergence. One-sided or symmetric: of all windows. Two-sided: both
/// ends in proportion first, then each end by turns until neither moves.
TensorRange entropy_range(const LinearHistogram& histogram, const RangeOptions& options);

}  // namespace planish
