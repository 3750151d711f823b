#include "planish/graph/dtype.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <vector>

#include "support/throws.h"

namespace planish::test {
namespace {

/// The value of a bit pattern by the definition of IEEE 754: (-1)^s 2^(e-bias) 1.f.
double value_of_bits(std::uint32_t bits, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const auto fraction = static_cast<double>(bits & ((1U << fraction_bits) - 1U));
  const int exponent = static_cast<int>(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
  const double sign = (bits >> (exponent_bits + fraction_bits)) != 0 ? -1.0 : 1.0;
  if (exponent == (1 << exponent_bits) - 1) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  }
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign * std::ldexp(1.0 + std::ldexp(fraction, -fraction_bits), exponent - bias);
}

/// One 16-bit format: its conversions and its definition.
struct Format {
  const char* name;
  float (*to_float)(std::uint16_t);
  std::uint16_t (*from_float)(float);
  int exponent_bits;
  int fraction_bits;
  [[nodiscard]] double value(std::uint32_t bits) const {
    return value_of_bits(bits, exponent_bits, fraction_bits);
  }
  [[nodiscard]] std::uint16_t infinity() const {
    return static_cast<std::uint16_t>(((1U << exponent_bits) - 1U) << fraction_bits);
  }
};

const std::vector<Format> kFormats{
    {"float16", float_from_half, half_from_float, 5, 10},
    {"bfloat16", float_from_bfloat16, bfloat16_from_float, 8, 7},
};

TEST(SixteenBitFloats, EveryPatternHasTheValueOfItsDefinition) {
  for (const Format& format : kFormats) {
    for (std::uint32_t bits = 0; bits <= 0xffffU; ++bits) {
      const double expected = format.value(bits);
      const float found = format.to_float(static_cast<std::uint16_t>(bits));
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(found)) << format.name << bits;
      } else {
        ASSERT_EQ(static_cast<double>(found), expected) << format.name << bits;
        ASSERT_EQ(std::signbit(found), std::signbit(expected)) << format.name << bits;
      }
    }
  }
}

TEST(SixteenBitFloats, EveryPatternComesBackFromItsFloat) {
  for (const Format& format : kFormats) {
    for (std::uint32_t bits = 0; bits <= 0xffffU; ++bits) {
      const std::uint16_t back =
          format.from_float(format.to_float(static_cast<std::uint16_t>(bits)));
      if (std::isnan(format.value(bits)))
        EXPECT_TRUE(std::isnan(format.to_float(back))) << bits;
      else
        ASSERT_EQ(back, bits) << format.name;
    }
  }
}

TEST(SixteenBitFloats, RoundToNearestAndTiesToEven) {
  for (const Format& format : kFormats) {
    for (std::uint32_t bits = 0; bits < format.infinity(); ++bits) {
      const auto low = static_cast<std::uint16_t>(bits);
      const auto high = static_cast<std::uint16_t>(bits + 1);
      // Above the largest finite number the next step would be as large as the one before it.
      const double step = high == format.infinity() ? format.value(bits) - format.value(bits - 1)
                                                    : format.value(bits + 1) - format.value(bits);
      const auto middle = static_cast<float>(format.value(bits) + step / 2);  // exact in float
      const std::uint16_t even = (bits & 1U) == 0 ? low : high;
      ASSERT_EQ(format.from_float(middle), even) << format.name << bits;
      ASSERT_EQ(format.from_float(std::nextafter(middle, 0.0F)), low) << format.name << bits;
      ASSERT_EQ(format.from_float(std::nextafter(middle, INFINITY)), high) << format.name << bits;
      ASSERT_EQ(format.from_float(-middle), even | 0x8000U) << format.name << bits;
    }
  }
}

TEST(SixteenBitFloats, KeepInfinitiesAndNaN) {
  for (const Format& format : kFormats) {
    EXPECT_EQ(format.from_float(INFINITY), format.infinity());
    EXPECT_EQ(format.from_float(-INFINITY), format.infinity() | 0x8000U);
    EXPECT_EQ(format.from_float(std::numeric_limits<float>::max()), format.infinity());
    // A NaN whose payload is only in the bits that are dropped must not become an infinity.
    for (const std::uint32_t nan : {0x7f800001U, 0xff800001U, 0x7fc00000U, 0x7fffffffU}) {
      EXPECT_TRUE(std::isnan(format.to_float(format.from_float(std::bit_cast<float>(nan)))));
    }
  }
}

TEST(ByteCount, PacksElementsAsOnnxDoes) {
  EXPECT_EQ(byte_count(DType::kFloat32, 3), 12U);
  EXPECT_EQ(byte_count(DType::kComplex128, 2), 32U);
  EXPECT_EQ(byte_count(DType::kBool, 3), 3U);
  EXPECT_EQ(byte_count(DType::kInt4, 0), 0U);
  EXPECT_EQ(byte_count(DType::kInt4, 3), 2U);
  EXPECT_EQ(byte_count(DType::kUInt2, 4), 1U);
  EXPECT_EQ(byte_count(DType::kUInt2, 5), 2U);
  EXPECT_EQ(byte_count(DType::kFloat6E2M3, 4), 3U);
  EXPECT_EQ(byte_count(DType::kFloat6E3M2, 5), 4U);  // ceil(6 n / 8)
}

TEST(ByteCount, RefusesOverflowAndTypesWithoutASize) {
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();
  EXPECT_EQ(byte_count(DType::kInt4, kMost), kMost / 2 + 1);
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [] { (void)byte_count(DType::kFloat32, kMost / 2); }));
  EXPECT_TRUE(throws(ErrorCode::kUnsupported, [] { (void)byte_count(DType::kString, 1); }));
  EXPECT_TRUE(throws(ErrorCode::kUnsupported, [] { (void)byte_count(DType::kUndefined, 1); }));
}

TEST(DTypes, HaveNamesOfTheirOwnAndTheNumbersOfOnnx) {
  std::set<std::string_view> names;
  for (const DTypeRow& row : kDTypes) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(dtype_from_onnx(static_cast<std::int32_t>(row.dtype)), row.dtype);
  }
  EXPECT_EQ(dtype_from_onnx(-1), std::nullopt);
  EXPECT_EQ(dtype_from_onnx(static_cast<std::int32_t>(kDTypes.size())), std::nullopt);
}

}  // namespace
}  // namespace planish::test
