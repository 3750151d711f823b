// What quantization would do to the elements of a histogram: no element is needed again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "calibrate/value_histogram.h"
#include "planish/quantize/params.h"

namespace planish {

/// Sums over the elements of one side of a histogram.
class SideMoments {
 public:
  SideMoments(const ValueHistogram& histogram, Side side);

  struct Moments {
    double count = 0.0;
    double sum = 0.0;  // of magnitudes
    double sum_of_squares = 0.0;
  };
  [[nodiscard]] const Moments& all() const { return below_.back(); }
  /// Of the elements of a smaller magnitude; elements count as spread evenly over their bin.
  [[nodiscard]] Moments below(double magnitude) const;
  /// Sum of (x - nearest level)^2, the levels being 0, step, … levels * step.
  [[nodiscard]] double squared_error(double step, std::int32_t levels) const;

 private:
  [[nodiscard]] double even_from(double step, std::int32_t levels) const;

  int lowest_ = 0;  // octave that holds an element
  int top_ = 0;
  std::array<std::size_t, kOctaves> first_ = {};  // bin of each octave, in below_
  std::vector<Moments> below_ = {};               // the lower edge of each bin, and all at the end
};

/// The elements of a histogram, taken as spread evenly over their bins; zeros are exact.
class Distribution {
 public:
  explicit Distribution(const ValueHistogram& histogram);

  [[nodiscard]] double elements() const { return elements_; }
  /// Elements less than `value`, to within one bin.
  [[nodiscard]] double count_below(double value) const;
  /// E[x^2].
  [[nodiscard]] double mean_square() const;

  /// E[(x - dequantize(quantize(x)))^2]. At most a few hundred look-ups, whatever the integer type:
  /// a microsecond or two.
  ///
  /// |x - dequantize(quantize(x))| is the distance from x to the nearest real value that an integer
  /// stands for, and changes by no more than x does. So the root of the result is at most the root
  /// mean square of the elements' bin widths (2^-11 of an element in the three highest octaves,
  /// 2^-8 below) away from that of the elements themselves.
  [[nodiscard]] double mean_square_error(const QuantizationParams& params) const;

 private:
  SideMoments negative_;
  SideMoments positive_;
  double zeros_ = 0.0;
  double elements_ = 0.0;
};

}  // namespace planish
