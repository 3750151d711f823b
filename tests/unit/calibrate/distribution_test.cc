#include "calibrate/distribution.h"

#include <gtest/gtest.h>

#include <cmath>

#include "distributions.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

using test::histogram_of;

/// What really quantizing and dequantizing costs.
double true_mean_square_error(const std::vector<float>& elements,
                              const QuantizationParams& params) {
  const Tensor tensor = Tensor::of<float>({static_cast<std::int64_t>(elements.size())}, elements);
  const std::vector<float> back = dequantize(quantize(tensor, params), params);
  double sum = 0.0;
  for (std::size_t i = 0; i < elements.size(); ++i)
    sum += std::pow(static_cast<double>(elements[i]) - static_cast<double>(back[i]), 2);
  return sum / static_cast<double>(elements.size());
}

/// Root mean square over the elements of the widths of their bins: the bound of the header.
double bin_width_rms(const std::vector<float>& elements) {
  const int top = histogram_of(elements).top_octave();
  double sum = 0.0;
  for (const float element : elements) {
    if (element == 0.0F) continue;
    const int octave = octave_of(element);
    const std::size_t bins = octave > top - kFineOctaves ? 2048 : 256;
    sum += std::pow(bin_edges(octave, 0, bins).width, 2);
  }
  return std::sqrt(sum / static_cast<double>(elements.size()));
}

void expect_error_within_bound(const std::vector<float>& elements,
                               const QuantizationParams& params) {
  const double model = std::sqrt(Distribution(histogram_of(elements)).mean_square_error(params));
  const double truth = std::sqrt(true_mean_square_error(elements, params));
  // Products of float32 in quantize and dequantize: half an ulp of the greatest level.
  const double rounding = std::ldexp(params.scale * 65536.0, -24);
  EXPECT_LE(std::abs(model - truth), bin_width_rms(elements) + rounding)
      << name_of(params.dtype) << " scale " << params.scale << " zero point " << params.zero_point;
}

std::vector<std::vector<float>> samples() {
  constexpr std::size_t kCount = 20000;
  return {test::quantiles(kCount, test::uniform),
          test::quantiles(kCount, test::normal),
          test::quantiles(kCount, test::rectified_normal),
          test::quantiles(kCount, test::laplace),
          test::quantiles(kCount, test::cauchy),
          test::random_normals(kCount, 7, 1e-20F),
          std::vector<float>(100, 0.0F),
          std::vector<float>(100, -3.25F)};
}

TEST(Distribution, ErrorIsThatOfQuantizingToWithinTheBinWidths) {
  for (const std::vector<float>& elements : samples()) {
    const TensorRange whole = test::range_of_elements(elements);
    for (const double part : {1.0, 0.7, 0.1, 1e-3}) {
      const TensorRange range{.min = static_cast<float>(whole.min * part),
                              .max = static_cast<float>(whole.max * part)};
      for (const DType dtype : {DType::kUInt8, DType::kInt8, DType::kUInt16, DType::kInt16}) {
        expect_error_within_bound(elements, params_for(range, dtype));
        expect_error_within_bound(elements,
                                  params_for(range, dtype, {.symmetry = Symmetry::kSymmetric}));
      }
    }
  }
}

TEST(Distribution, ErrorOfUniformElementsIsAStepSquaredOverTwelve) {
  const auto elements = test::quantiles(1 << 18, test::uniform);
  const QuantizationParams params = params_for({0.0F, 1.0F}, DType::kUInt8);
  const double step = params.scale;
  // Half a step at either end of the range has only one side, which changes nothing in the mean.
  const double error = Distribution(histogram_of(elements)).mean_square_error(params);
  EXPECT_NEAR(error, step * step / 12, step * step / 12 * 0.01);
}

TEST(Distribution, CountsWhatLiesBelowToWithinOneBin) {
  for (const std::vector<float>& elements : samples()) {
    const ValueHistogram histogram = histogram_of(elements);
    const Distribution distribution(histogram);
    const TensorRange whole = test::range_of_elements(elements);
    for (const double part : {-0.5, -1e-3, 0.0, 1e-6, 0.01, 0.3, 0.999}) {
      const double value = part < 0 ? -part * whole.min : part * whole.max;
      const double width = std::abs(value) / 256;
      double least = 0.0;
      double most = 0.0;
      for (const float element : elements) {
        if (element < value - width) ++least;
        if (element < value + width || (value == 0.0 && element < value)) ++most;
      }
      EXPECT_GE(distribution.count_below(value), least) << value;
      EXPECT_LE(distribution.count_below(value), most) << value;
    }
    EXPECT_EQ(distribution.elements(), static_cast<double>(elements.size()));
  }
}

TEST(Distribution, SignalIsTheMeanOfSquares) {
  const auto elements = test::quantiles(1 << 16, test::normal);
  double sum = 0.0;
  for (const float element : elements) sum += static_cast<double>(element) * element;
  const double truth = sum / static_cast<double>(elements.size());
  // Bins are spread symmetrically about their middle: off by less than 2 * 2^-8 relative.
  EXPECT_NEAR(Distribution(histogram_of(elements)).mean_square(), truth, truth / 128);
}

}  // namespace
}  // namespace planish
