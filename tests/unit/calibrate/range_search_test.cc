#include "calibrate/range_search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "distributions.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

using test::histogram_of;
using test::quantiles;

constexpr std::size_t kCount = 1 << 17;

RangeOptions symmetric_s8() { return {.symmetric = true, .activation = DType::kInt8}; }

TensorRange mse_range(const std::vector<float>& elements, const RangeOptions& options = {}) {
  return least_error_range(Distribution(histogram_of(elements)), test::range_of_elements(elements),
                           options);
}

TensorRange kl_range(const std::vector<float>& elements, const RangeOptions& options = {}) {
  return entropy_range(linear_histogram(histogram_of(elements), options.bins), options);
}

double error_of(const std::vector<float>& elements, TensorRange range,
                const RangeOptions& options) {
  return Distribution(histogram_of(elements)).mean_square_error(params_of(range, options));
}

// Percentile.

template <typename Predicate>
double count_of(const std::vector<float>& elements, const Predicate& predicate) {
  return static_cast<double>(std::ranges::count_if(elements, predicate));
}

TEST(PercentileRange, LeavesOutNoMoreThanItMayAndAlmostAsMuch) {
  for (const auto& quantile :
       {test::uniform, test::normal, test::laplace, test::cauchy, test::rectified_normal}) {
    const std::vector<float> elements = quantiles(kCount, quantile);
    const ValueHistogram histogram = histogram_of(elements);
    for (const double percentile : {90.0, 99.0, 99.9, 99.99}) {
      const double each = (100 - percentile) / 200 * static_cast<double>(kCount);
      const TensorRange range = percentile_range(histogram, percentile, false);
      // An edge is less than one bin, 2^-8 of it at the most, beyond the exact answer.
      const double max = range.max;
      EXPECT_LE(count_of(elements, [&](float x) { return x > max; }), each);
      EXPECT_GT(count_of(elements, [&](float x) { return x >= max * (1 - 1.0 / 256); }) + 1, each);
      const double min = range.min;
      EXPECT_LE(count_of(elements, [&](float x) { return x < min; }), each);
      EXPECT_GT(count_of(elements, [&](float x) { return x <= min + std::abs(min) / 256; }) + 1,
                each);

      const TensorRange both = percentile_range(histogram, percentile, true);
      EXPECT_EQ(both.min, -both.max);
      const double end = both.max;
      EXPECT_LE(count_of(elements, [&](float x) { return std::abs(x) > end; }), 2 * each);
      EXPECT_GT(
          count_of(elements, [&](float x) { return std::abs(x) >= end * (1 - 1.0 / 256); }) + 1,
          2 * each);
    }
  }
}

TEST(PercentileRange, OfAllIsTheWholeRangeToWithinOneBin) {
  const std::vector<float> elements{-3.0F, 0.0F, 1.0F, 7.0F};
  const TensorRange range = percentile_range(histogram_of(elements), 100.0, false);
  EXPECT_NEAR(range.min, -3.0, 4.0 / 2048);
  EXPECT_NEAR(range.max, 7.0, 4.0 / 2048);
}

TEST(PercentileRange, OfOneElementOrZerosIsThatElement) {
  EXPECT_EQ(percentile_range(histogram_of(std::vector<float>(9, 0.0F)), 50.0, false),
            (TensorRange{0.0F, 0.0F}));
  const TensorRange one = percentile_range(histogram_of(std::vector<float>{-2.0F}), 1e-9, false);
  EXPECT_LE(one.min, -2.0F);
  EXPECT_GE(one.max, -2.0F - 2.0F / 2048);
}

// Least squared error.

// Rounding costs step^2 / 12 within [-T, T], and clipping (|x| - T)^2 beyond; T is where both
// change alike. Banner et al., "Post training 4-bit quantization of convolutional networks for
// rapid deployment", 2019, have 3.92 sigma and 9.89 b for 8 bits.
struct Theory {
  std::function<double(double)> error;  // of T
  double best = 0.0;                    // error at the best T
};

Theory theory_of(const std::function<double(double)>& error, double greatest) {
  Theory theory{error, std::numeric_limits<double>::infinity()};
  for (double end = greatest; end > greatest / 100; end *= 0.999)
    theory.best = std::min(theory.best, error(end));
  return theory;
}

double normal_density(double x) { return std::exp(-x * x / 2) / std::sqrt(2 * 3.14159265358979); }
double normal_tail(double x) { return 0.5 * std::erfc(x / std::sqrt(2.0)); }
/// Integral of (x - T)^2 over the density beyond T.
double normal_clipping(double end) {
  return (1 + end * end) * normal_tail(end) - end * normal_density(end);
}

double squared(double x) { return x * x; }

// The last grid of the search has steps of 2^(1/64), so T is at most half of one, 0.55 %, off the
// best: rounding costs at most 1.1 % more, and clipping less; the rest is for a sample whose tail
// ends at its last quantile.
constexpr double kNearlyBest = 1.015;

TEST(LeastErrorRange, OfANormalDistributionIsThatOfTheory) {
  const TensorRange range = mse_range(quantiles(kCount, test::normal), symmetric_s8());
  EXPECT_EQ(range.min, -range.max);
  const Theory theory = theory_of(
      [](double end) { return squared(2 * end / 254) / 12 + 2 * normal_clipping(end); }, 6.0);
  EXPECT_LE(theory.error(range.max), kNearlyBest * theory.best);
  EXPECT_NEAR(range.max, 3.92, 0.1);
}

TEST(LeastErrorRange, OfARectifiedNormalDistributionIsThatOfTheory) {
  const TensorRange range = mse_range(quantiles(kCount, test::rectified_normal));
  EXPECT_EQ(range.min, 0.0F);
  const Theory theory = theory_of(
      [](double end) { return 0.5 * squared(end / 255) / 12 + normal_clipping(end); }, 6.0);
  EXPECT_LE(theory.error(range.max), kNearlyBest * theory.best);
}

TEST(LeastErrorRange, OfALaplaceDistributionIsThatOfTheory) {
  // Its tail is exp(-T), and E[(x - T)^2] beyond T is 2.
  const TensorRange range = mse_range(quantiles(kCount, test::laplace), symmetric_s8());
  const Theory theory =
      theory_of([](double end) { return squared(2 * end / 254) / 12 + 2 * std::exp(-end); }, 12.0);
  EXPECT_LE(theory.error(range.max), kNearlyBest * theory.best);
  EXPECT_NEAR(range.max, 9.89, 0.5);
}

TEST(LeastErrorRange, OfAUniformDistributionIsAlmostAll) {
  // T^3 / (12 * 255^2) + (1 - T)^3 / 3 is least where (1 - T) / T = 1 / 510.
  const TensorRange range = mse_range(quantiles(kCount, test::uniform));
  EXPECT_GE(range.max, 510.0 / 511 * std::exp2(-1.0 / 64));
}

TEST(LeastErrorRange, OfAHeavyTailIsTheBestOfAFineGrid) {
  const std::vector<float> elements = quantiles(kCount, test::cauchy);
  const Distribution distribution(histogram_of(elements));
  const TensorRange whole = test::range_of_elements(elements);
  const auto error = [&](TensorRange range) {
    return distribution.mean_square_error(params_of(range, {}));
  };
  double best = std::numeric_limits<double>::infinity();
  for (double low = 0; low > -16; low -= 0.1) {
    for (double high = 0; high > -16; high -= 0.1) {
      best = std::min(best, error({.min = static_cast<float>(whole.min * std::exp2(low)),
                                   .max = static_cast<float>(whole.max * std::exp2(high))}));
    }
  }
  EXPECT_LE(error(mse_range(elements)), kNearlyBest * best);
}

TEST(LeastErrorRange, FindsBothEndsOfALopsidedDistribution) {
  // 0.1 % of the elements far out on one side each, at different distances.
  std::vector<float> elements = quantiles(20000, test::normal);
  for (int i = 0; i < 10; ++i) {
    elements.push_back(-60.0F);
    elements.push_back(900.0F);
  }
  const TensorRange range = mse_range(elements);
  const RangeOptions options;
  for (const TensorRange& other : {TensorRange{-60.0F, 900.0F}, TensorRange{-5.0F, 900.0F},
                                   TensorRange{-60.0F, 5.0F}, TensorRange{-5.0F, 5.0F}}) {
    EXPECT_LE(error_of(elements, range, options), error_of(elements, other, options));
  }
}

TEST(LeastErrorRange, OfIntegersThatFitLosesNothing) {
  std::vector<float> elements;
  for (int i = 0; i <= 255; ++i) elements.push_back(static_cast<float>(i));
  const RangeOptions options;
  const TensorRange range = mse_range(elements, options);
  // To within the bins' width, 2^-11 of an element.
  EXPECT_LE(std::sqrt(error_of(elements, range, options)), 255.0 / 2048);
}

TEST(LeastErrorRange, OfZerosIsZero) {
  const TensorRange range = mse_range(std::vector<float>(10, 0.0F));
  EXPECT_EQ(range, (TensorRange{0.0F, 0.0F}));
}

// Entropy.

/// D(P || Q) word by word as in the header.
double divergence_by_definition(const std::vector<std::uint64_t>& counts, double zeros,
                                std::size_t levels, std::size_t begin, std::size_t end) {
  const std::size_t size = end - begin;
  std::vector<double> p(size);
  std::vector<double> q(size);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::size_t place = std::min(std::max(i, begin), end - 1) - begin;
    p[place] += static_cast<double>(counts[i]);
  }
  for (std::size_t level = 0; level < levels; ++level) {
    const std::size_t from = level * size / levels;
    const std::size_t to = (level + 1) * size / levels;
    double sum = 0.0;
    double not_empty = 0.0;
    for (std::size_t i = from; i < to; ++i) {
      sum += static_cast<double>(counts[begin + i]);
      not_empty += counts[begin + i] > 0 ? 1 : 0;
    }
    for (std::size_t i = from; i < to; ++i) q[i] = counts[begin + i] > 0 ? sum / not_empty : 0.0;
  }
  double p_sum = zeros;
  double q_sum = zeros;
  for (std::size_t i = 0; i < size; ++i) {
    p_sum += p[i];
    q_sum += q[i];
  }
  double divergence = zeros > 0 ? zeros / p_sum * std::log(q_sum / p_sum) : 0.0;
  for (std::size_t i = 0; i < size; ++i) {
    if (p[i] == 0.0) continue;
    if (q[i] == 0.0) return std::numeric_limits<double>::infinity();
    divergence += p[i] / p_sum * std::log(p[i] / p_sum * q_sum / q[i]);
  }
  return divergence;
}

std::vector<std::uint64_t> random_counts(std::size_t size, std::mt19937_64& random) {
  std::vector<std::uint64_t> counts(size);
  for (std::size_t i = 0; i < size; ++i) {
    const double distance = std::abs(static_cast<double>(i) / static_cast<double>(size) - 0.3);
    const auto most = static_cast<std::uint64_t>(1000 * std::exp(-12 * distance));
    counts[i] = random() % 5 == 0 ? 0 : random() % (most + 2);
  }
  return counts;
}

TEST(EntropySearch, DivergenceIsThatOfTheDefinition) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const std::size_t levels = 2 + random() % 40;
    const auto counts = random_counts(levels + random() % 300, random);
    const std::uint64_t zeros = random() % 3 == 0 ? 0 : random() % 10000;
    const EntropySearch search(counts, zeros, levels);
    for (int i = 0; i < 50; ++i) {
      const std::size_t size = levels + random() % (counts.size() - levels + 1);
      const std::size_t begin = random() % (counts.size() - size + 1);
      const double expected =
          divergence_by_definition(counts, static_cast<double>(zeros), levels, begin, begin + size);
      if (std::isinf(expected)) {
        EXPECT_EQ(search.divergence(begin, begin + size), expected);
      } else {
        // A few hundred additions of terms below log(1e7), each to 2^-53.
        EXPECT_NEAR(search.divergence(begin, begin + size), expected, 1e-11);
      }
    }
  }
}

/// The window that is best of all by trying each, for one-sided counts.
std::size_t best_end(const std::vector<std::uint64_t>& counts, double zeros, std::size_t levels) {
  double least = std::numeric_limits<double>::infinity();
  std::size_t best = counts.size();
  for (std::size_t end = counts.size(); end >= levels; --end) {
    const double divergence = divergence_by_definition(counts, zeros, levels, 0, end);
    if (divergence < least - 1e-11) {
      least = divergence;
      best = end;
    }
  }
  return best;
}

TEST(EntropyRange, OfOneSidedElementsIsTheBestOfAllWindows) {
  for (const auto& quantile : {test::uniform, test::rectified_normal}) {
    const std::vector<float> elements = quantiles(20000, quantile);
    const LinearHistogram linear = linear_histogram(histogram_of(elements), 512);
    const TensorRange range = kl_range(elements, {.bins = 512});
    EXPECT_EQ(range.min, 0.0F);
    const std::size_t best = best_end(linear.positive, static_cast<double>(linear.zeros), 256);
    EXPECT_EQ(range.max, static_cast<float>(static_cast<double>(best) * linear.width));
  }
}

TEST(EntropyRange, OfNegativeElementsMirrorsThatOfPositiveOnes) {
  std::vector<float> elements = quantiles(20000, test::rectified_normal);
  const TensorRange positive = kl_range(elements, {.bins = 512});
  for (float& element : elements) element = -element;
  const TensorRange negative = kl_range(elements, {.bins = 512});
  EXPECT_EQ(negative.max, 0.0F);
  // Levels of a window whose size is no multiple of them differ when it is turned round.
  EXPECT_NEAR(-negative.min, positive.max, 0.1 * positive.max);
}

TEST(EntropyRange, OfTwoSidedElementsCannotBeBetteredByMovingOneEnd) {
  for (const auto& quantile : {test::normal, test::laplace}) {
    std::vector<float> elements = quantiles(20000, quantile);
    for (float& element : elements)
      if (element < 0) element *= 0.3F;
    const LinearHistogram linear = linear_histogram(histogram_of(elements), 256);
    std::vector<std::uint64_t> counts(linear.negative.rbegin(), linear.negative.rend());
    counts.insert(counts.end(), linear.positive.begin(), linear.positive.end());
    const std::size_t zero = linear.negative.size();
    const TensorRange range = kl_range(elements, {.bins = 256});
    const std::size_t begin = zero - static_cast<std::size_t>(-range.min / linear.width);
    const std::size_t end = zero + static_cast<std::size_t>(range.max / linear.width);
    const EntropySearch search(counts, linear.zeros, 256);
    const double found = search.divergence(begin, end);
    for (std::size_t other = std::max(zero, begin + 256); other <= counts.size(); ++other)
      EXPECT_LE(found, search.divergence(begin, other));
    for (std::size_t other = 0; other <= zero && other + 256 <= end; ++other)
      EXPECT_LE(found, search.divergence(other, end));
    EXPECT_LE(found, search.divergence(0, counts.size()));
  }
}

TEST(EntropyRange, OfAUniformDistributionIsAll) {
  // Every bin holds the same, so every level is spread as it was: D = 0, and more once clipped.
  std::vector<float> elements;
  for (int i = 0; i < 4096 * 4; ++i) elements.push_back(static_cast<float>(4 * i + 1) / 65536.0F);
  EXPECT_NEAR(kl_range(elements).max, 1.0, 1.0 / 2048);
}

TEST(EntropyRange, SymmetricIsThatOfTheMagnitudes) {
  const std::vector<float> elements = quantiles(20000, test::laplace);
  std::vector<float> magnitudes = elements;
  for (float& element : magnitudes) element = std::abs(element);
  const LinearHistogram linear = linear_histogram(histogram_of(magnitudes), 512);
  RangeOptions options = symmetric_s8();
  options.bins = 512;
  const TensorRange range = kl_range(elements, options);
  const std::size_t best = best_end(linear.positive, 0.0, 128);
  EXPECT_EQ(range.max, static_cast<float>(static_cast<double>(best) * linear.width));
  EXPECT_EQ(range.min, -range.max);
}

TEST(EntropyRange, OfFewerBinsThanLevelsIsAll) {
  const std::vector<float> elements{0.0F, 1.0F, 2.0F};
  const TensorRange range = kl_range(elements, {.activation = DType::kUInt16});
  EXPECT_GE(range.max, 2.0F);
  EXPECT_EQ(kl_range(std::vector<float>(5, 0.0F)), (TensorRange{0.0F, 0.0F}));
}

}  // namespace
}  // namespace planish
