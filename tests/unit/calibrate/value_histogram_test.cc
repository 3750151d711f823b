#include "calibrate/value_histogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "distributions.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

using test::histogram_of;

constexpr float kGreatest = std::numeric_limits<float>::max();
constexpr float kLeast = std::numeric_limits<float>::denorm_min();

std::uint64_t total(const ValueHistogram& histogram) {
  std::uint64_t sum = histogram.zeros();
  for (const Side side : {Side::kNegative, Side::kPositive}) {
    for (int octave = 0; octave < kOctaves; ++octave) {
      for (const std::uint64_t count : histogram.octave(side, octave)) sum += count;
    }
  }
  return sum;
}

/// Elements of many magnitudes, with zeros among them.
std::vector<float> mixed(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<float> elements = test::random_normals(count, seed);
  for (float& element : elements) {
    const auto kind = random() % 8;
    if (kind < 3) element = 0.0F;
    if (kind == 3) element = std::ldexp(element, static_cast<int>(random() % 60) - 30);
  }
  return elements;
}

// The octave, the bin's number and the side, from the definition.
struct Place {
  Side side;
  int octave;
  std::size_t bin;
  auto operator<=>(const Place&) const = default;
};
Place place_of(float element, int top) {
  const double magnitude = std::abs(static_cast<double>(element));
  const int octave = std::max(std::ilogb(magnitude) + 127, 0);
  const std::size_t bins = octave > top - kFineOctaves ? 2048 : 256;
  const double low = octave == 0 ? 0.0 : std::ldexp(1.0, octave - 127);
  const double width = std::ldexp(1.0, std::max(octave, 1) - 127) / static_cast<double>(bins);
  return {element < 0 ? Side::kNegative : Side::kPositive, octave,
          static_cast<std::size_t>((magnitude - low) / width)};
}

void expect_counts_by_definition(const std::vector<float>& elements) {
  const ValueHistogram histogram = histogram_of(elements);
  std::map<Place, std::uint64_t> expected;
  std::uint64_t zeros = 0;
  for (const float element : elements) {
    if (element == 0.0F)
      ++zeros;
    else
      ++expected[place_of(element, histogram.top_octave())];
  }
  ASSERT_EQ(histogram.zeros(), zeros);
  ASSERT_EQ(total(histogram), elements.size());
  for (const auto& [place, count] : expected) {
    const auto octave = histogram.octave(place.side, place.octave);
    ASSERT_LT(place.bin, octave.size());
    ASSERT_EQ(octave[place.bin], count) << "octave " << place.octave << " bin " << place.bin;
  }
}

TEST(ValueHistogram, CountsEveryElementInItsBin) {
  expect_counts_by_definition(mixed(20000, 1));
  expect_counts_by_definition({kGreatest, -kGreatest, kLeast, -kLeast, 0.0F, -0.0F, 1.0F});
  expect_counts_by_definition({kLeast, 3 * kLeast, -1e-39F, 0.0F});
  expect_counts_by_definition(std::vector<float>(1000, -2.0F));
}

TEST(ValueHistogram, CountsEveryElementWhateverTheSize) {
  for (std::size_t size = 1; size < 40; ++size) expect_counts_by_definition(mixed(size, size));
  for (const std::size_t size : {511U, 512U, 513U, 1030U})
    expect_counts_by_definition(mixed(size, size));
}

TEST(ValueHistogram, HoldsNothingButZeros) {
  const ValueHistogram histogram = histogram_of(std::vector<float>(100, 0.0F));
  EXPECT_EQ(histogram.zeros(), 100U);
  EXPECT_EQ(total(histogram), 100U);
}

TEST(ValueHistogram, OfPartsInAnyOrderIsThatOfAll) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const std::vector<float> elements = mixed(3000, seed);
    std::vector<ValueHistogram> parts;
    for (std::size_t begin = 0; begin < elements.size();) {
      const std::size_t size = std::min<std::size_t>(1 + random() % 700, elements.size() - begin);
      parts.push_back(histogram_of(std::span(elements).subspan(begin, size)));
      begin += size;
    }
    std::ranges::shuffle(parts, random);
    ValueHistogram merged;
    for (const ValueHistogram& part : parts) merged.merge(part);
    EXPECT_EQ(merged, histogram_of(elements));
  }
}

TEST(ValueHistogram, CounterIsEmptyAfterItsCountsAreTaken) {
  ElementCounter counter;
  ValueHistogram histogram;
  const std::vector<float> first = mixed(5000, 1);
  const std::vector<float> second{0.5F, -1e-3F, 0.0F};
  counter.count(first, test::range_of_elements(first));
  histogram.take(counter);
  ValueHistogram other;
  counter.count(second, test::range_of_elements(second));
  other.take(counter);
  EXPECT_EQ(other, histogram_of(second));
}

TEST(LinearHistogram, CountsExactlyInBinsOfEqualWidth) {
  for (const std::size_t bins : {256U, 1024U, 2048U}) {
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      SCOPED_TRACE(seed);
      const std::vector<float> elements = mixed(5000, seed);
      const LinearHistogram linear = linear_histogram(histogram_of(elements), bins);
      LinearHistogram expected{.width = linear.width};
      expected.negative.resize(linear.negative.size());
      expected.positive.resize(linear.positive.size());
      double greatest = 0.0;
      for (const float element : elements) {
        const double magnitude = std::abs(static_cast<double>(element));
        greatest = std::max(greatest, magnitude);
        const auto bin = static_cast<std::size_t>(magnitude / linear.width);
        if (element == 0.0F)
          ++expected.zeros;
        else
          ++(element < 0 ? expected.negative : expected.positive).at(bin);
      }
      EXPECT_EQ(linear.negative, expected.negative);
      EXPECT_EQ(linear.positive, expected.positive);
      EXPECT_EQ(linear.zeros, expected.zeros);
      EXPECT_GE(greatest / linear.width, static_cast<double>(bins));
      EXPECT_LT(greatest / linear.width, static_cast<double>(2 * bins));
    }
  }
}

TEST(LinearHistogram, TakesSubnormalNumbers) {
  const LinearHistogram linear =
      linear_histogram(histogram_of(std::vector<float>{kLeast, -1e-40F}), 2048);
  EXPECT_GT(linear.width, 0.0);
  std::uint64_t sum = 0;
  for (const std::uint64_t count : linear.negative) sum += count;
  for (const std::uint64_t count : linear.positive) sum += count;
  EXPECT_EQ(sum, 2U);
}

}  // namespace
}  // namespace planish
