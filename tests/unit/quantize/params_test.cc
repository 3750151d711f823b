#include "planish/quantize/params.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "planish/base/error.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

constexpr std::array kTypes{DType::kUInt8, DType::kInt8, DType::kUInt16, DType::kInt16};

std::vector<ParamsOptions> all_options() {
  std::vector<ParamsOptions> options;
  for (const Symmetry symmetry : {Symmetry::kAsymmetric, Symmetry::kSymmetric}) {
    for (const IntegerRange integers : {IntegerRange::kFull, IntegerRange::kReduced}) {
      ParamsOptions one;
      one.symmetry = symmetry;
      one.integers = integers;
      options.push_back(one);
    }
  }
  return options;
}

/// Ranges around, above and below 0, of many magnitudes.
std::vector<TensorRange> many_ranges() {
  std::vector<TensorRange> ranges{{0.0F, 1.0F}, {-1.0F, 0.0F}, {2.0F, 5.0F}, {-7.0F, -3.0F}};
  const std::vector<float> random = test::random_floats(400, 7, -1.0F, 1.0F);
  for (std::size_t i = 0; i + 2 < random.size(); i += 3) {
    const float magnitude = std::exp2(20.0F * random[i + 2]);
    ranges.push_back({std::min(random[i], random[i + 1]) * magnitude,
                      std::max(random[i], random[i + 1]) * magnitude});
  }
  return ranges;
}

TEST(ParamsFor, ZeroIsExactlyRepresentable) {
  for (const DType dtype : kTypes) {
    for (const ParamsOptions& options : all_options()) {
      for (const TensorRange& range : many_ranges()) {
        const QuantizationParams params = params_for(range, dtype, options);
        const Tensor zero = quantize(Tensor::scalar(0.0F), params);
        EXPECT_EQ(dequantize(zero, params).front(), 0.0F);
      }
    }
  }
}

TEST(ParamsFor, ZeroPointLiesAmongTheIntegersOfItsRule) {
  for (const DType dtype : kTypes) {
    for (const ParamsOptions& options : all_options()) {
      const IntegerLimits limits = integer_limits(dtype, options.symmetry, options.integers);
      for (const TensorRange& range : many_ranges()) {
        const QuantizationParams params = params_for(range, dtype, options);
        EXPECT_GE(params.zero_point, limits.min);
        EXPECT_LE(params.zero_point, limits.max);
        EXPECT_TRUE(std::isfinite(params.scale));
        EXPECT_GT(params.scale, 0.0F);
      }
    }
  }
}

TEST(Quantize, ErrorInsideTheRangeIsAtMostOneStepAndHalfAStepAwayFromItsEnds) {
  for (const DType dtype : {DType::kUInt8, DType::kInt8}) {
    for (const ParamsOptions& options : all_options()) {
      for (const TensorRange& range : many_ranges()) {
        const QuantizationParams params = params_for(range, dtype, options);
        const Tensor values = test::random_tensor({64}, 3, range.min, range.max);
        const std::vector<float> back = dequantize(quantize(values, params), params);
        const IntegerLimits limits = integer_limits(dtype);
        const float low = params.scale * static_cast<float>(limits.min - params.zero_point);
        const float high = params.scale * static_cast<float>(limits.max - params.zero_point);
        for (std::size_t i = 0; i < back.size(); ++i) {
          const float x = values.values<float>()[i];
          // Rounding the zero point may shift the ends of the range by half a step; beyond that
          // only the rounding of x / scale and of the product in float32 is left.
          const float rounding = 4.0F * std::numeric_limits<float>::epsilon() *
                                 std::max(std::abs(low), std::abs(high));
          const bool inside = x >= low && x <= high;
          const float allowed = params.scale * (inside ? 0.5F : 1.0F) + rounding;
          EXPECT_LE(std::abs(back[i] - x), allowed) << x << " scale " << params.scale;
        }
      }
    }
  }
}

TEST(Quantize, IsMonotone) {
  const QuantizationParams params = params_for({-1.0F, 3.0F}, DType::kUInt8);
  std::vector<float> values = test::random_floats(1000, 5, -2.0F, 4.0F);
  std::ranges::sort(values);
  EXPECT_TRUE(std::ranges::is_sorted(quantize_u8(values, params)));
}

TEST(Quantize, RoundsHalfToEven) {
  const QuantizationParams one{1.0F, 0, DType::kInt8};
  const std::vector<float> values{0.5F, 1.5F, 2.5F, -0.5F, -1.5F, -2.5F};
  EXPECT_EQ(quantize_s8(values, one), (std::vector<std::int8_t>{0, 2, 2, 0, -2, -2}));
}

TEST(Quantize, ClampsToTheWholeTypeHoweverFarAway) {
  const QuantizationParams params{1e-30F, 3, DType::kInt8};
  const std::vector<float> values{3e38F, -3e38F};
  EXPECT_EQ(quantize_s8(values, params), (std::vector<std::int8_t>{127, -128}));
}

TEST(Quantize, GivesTheSameForAllChannelsAsForEachAlone) {
  const Tensor values = test::random_tensor({3, 5, 7}, 11);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    std::vector<QuantizationParams> params;
    for (const TensorRange& range : ranges_per_channel(values, axis)) {
      params.push_back(params_for(range, DType::kInt8, {.symmetry = Symmetry::kSymmetric}));
    }
    const Tensor together = quantize_per_channel(values, params, axis);
    for (std::size_t i = 0; i < values.element_count(); ++i) {
      const std::array<std::size_t, 3> at{i / 35, i / 7 % 5, i % 7};
      const float x = values.values<float>()[i];
      EXPECT_EQ(together.values<std::int8_t>()[i],
                quantize_s8(std::span(&x, 1), params[at.at(axis)]).front());
    }
  }
}

TEST(ParamsFor, SymmetricZeroPointsAreTheMiddleOfTheIntegers) {
  const auto zero_point = [](DType dtype, IntegerRange integers) {
    ParamsOptions options;
    options.symmetry = Symmetry::kSymmetric;
    options.integers = integers;
    return params_for({-0.3F, 2.0F}, dtype, options).zero_point;
  };
  EXPECT_EQ(zero_point(DType::kUInt8, IntegerRange::kFull), 128);
  EXPECT_EQ(zero_point(DType::kUInt8, IntegerRange::kReduced), 64);
  EXPECT_EQ(zero_point(DType::kInt8, IntegerRange::kFull), 0);
  EXPECT_EQ(zero_point(DType::kUInt16, IntegerRange::kFull), 32768);
  EXPECT_EQ(zero_point(DType::kInt16, IntegerRange::kFull), 0);
}

TEST(ParamsFor, AVanishingRangeGetsScaleOne) {
  EXPECT_EQ(params_for({0.0F, 0.0F}, DType::kUInt8), (QuantizationParams{1.0F, 0, DType::kUInt8}));
  EXPECT_EQ(params_for({0.0F, 1e-37F}, DType::kUInt8),
            (QuantizationParams{1.0F, 0, DType::kUInt8}));
}

TEST(ParamsFor, TheWholeOfFloat32DoesNotOverflow) {
  const float largest = std::numeric_limits<float>::max();
  const QuantizationParams params = params_for({-largest, largest}, DType::kUInt8);
  EXPECT_TRUE(std::isfinite(params.scale));
}

TEST(ParamsFor, RestrictedZeroPointsAreZeroOrTheMiddleAndCoverBothSides) {
  ParamsOptions options;
  options.restrict_zero_point = true;
  EXPECT_EQ(params_for({0.0F, 5.1F}, DType::kUInt8, options).zero_point, 0);
  for (const TensorRange range : {TensorRange{-1.0F, 3.0F}, TensorRange{-5.0F, 1.0F}}) {
    const QuantizationParams params = params_for(range, DType::kUInt8, options);
    EXPECT_EQ(params.zero_point, 128);
    EXPECT_LE(params.scale * -128.0F, range.min);
    EXPECT_GE(params.scale * 127.0F, range.max * (1.0F - 1e-6F));
  }
}

TEST(ParamsFor, RefusesWhatIsNoRange) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_THROW(params_for({nan, 1.0F}, DType::kUInt8), Error);
  EXPECT_THROW(params_for({0.0F, infinity}, DType::kUInt8), Error);
  EXPECT_THROW(params_for({1.0F, 0.0F}, DType::kUInt8), Error);
  EXPECT_THROW(params_for({0.0F, 1.0F}, DType::kInt32), Error);
}

TEST(RangeOf, RefusesNanInfinityAndNothing) {
  const std::vector<float> nan{1.0F, std::numeric_limits<float>::quiet_NaN(), 2.0F};
  const std::vector<float> infinite{1.0F, -std::numeric_limits<float>::infinity()};
  EXPECT_THROW(range_of(nan), Error);
  EXPECT_THROW(range_of(infinite), Error);
  EXPECT_THROW(range_of({}), Error);
}

TEST(QuantizePerChannel, RefusesParametersThatAreNotOnePerChannel) {
  const Tensor values = test::random_tensor({3, 4}, 1);
  const std::vector<QuantizationParams> two(2);
  EXPECT_THROW(quantize_per_channel(values, two, 0), Error);
  EXPECT_THROW(quantize_per_channel(values, two, 2), Error);
}

TEST(QuantizeBias, RoundsInFloat64AndClampsTo32Bits) {
  const Tensor bias = Tensor::of<float>({3}, std::vector<float>{1.0F, -1e20F, 0.0F});
  const std::vector<float> scale{1e-3F};
  const Tensor quantized = quantize_bias(bias, scale);
  EXPECT_EQ(quantized.values<std::int32_t>()[0], 1000);
  EXPECT_EQ(quantized.values<std::int32_t>()[1], std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(quantized.values<std::int32_t>()[2], 0);
}

TEST(WeightScaleForBias, LetsEveryBiasFit32Bits) {
  for (const float bias : test::random_normals(200, 9, 1e4F)) {
    const float input = 1e-4F;
    const float weight = weight_scale_for_bias(input, 1e-9F, smallest_bias_scale(std::abs(bias)));
    const double q = static_cast<double>(bias) / (static_cast<double>(input) * weight);
    EXPECT_LE(std::abs(q), 2147483647.0);
  }
}

TEST(WeightScaleForBias, LeavesAScaleThatIsLargeEnough) {
  EXPECT_EQ(weight_scale_for_bias(0.1F, 0.1F, smallest_bias_scale(5.0)), 0.1F);
}

/// Whole vectors, and what is left of one, are quantized alike.
TEST(Quantize, DoesNotDependOnTheNumberOfElements) {
  std::vector<float> values = test::random_floats(131, 7, -3.0F, 3.0F);
  // Ties, and what no integer holds.
  const std::vector<float> special{0.5F, -0.5F, 1.5F, 2.5F, 1e30F, -1e30F, 127.5F, -128.5F, -0.0F};
  std::ranges::copy(special, values.begin() + 3);
  for (const DType dtype : {DType::kInt8, DType::kUInt8, DType::kInt16}) {
    for (const float scale : {1.0F, 0.01F, 3e-7F}) {
      const QuantizationParams params{scale, dtype == DType::kUInt8 ? 131 : 0, dtype};
      const auto count = static_cast<std::int64_t>(values.size());
      const Tensor all = quantize(Tensor::of({count}, values), params);
      const std::vector<QuantizationParams> each(values.size(), params);
      EXPECT_EQ(quantize_per_channel(Tensor::of({1, count}, values), each, 1).reshaped({count}),
                all);
      const auto found = all.to_ints();
      for (std::size_t i = 0; i < values.size(); ++i) {
        const Tensor one = quantize(Tensor::of({1}, std::vector<float>{values[i]}), params);
        EXPECT_EQ(found[i], one.to_ints().front()) << values[i] << " by " << scale;
      }
    }
  }
}

}  // namespace
}  // namespace planish
