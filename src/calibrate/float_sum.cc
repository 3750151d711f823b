#include "calibrate/float_sum.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>

namespace planish {

void FloatSum::add(float value) {
  constexpr std::uint32_t kImplicitBit = 0x00800000U;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::size_t exponent = (bits >> 23) & 0xFFU;
  const std::int64_t significand =
      (bits & (kImplicitBit - 1U)) | (exponent == 0 ? 0U : kImplicitBit);
  significands_[exponent] += value < 0.0F ? -significand : significand;
}

void FloatSum::merge(const FloatSum& other) {
  for (std::size_t i = 0; i < significands_.size(); ++i) significands_[i] += other.significands_[i];
}

double FloatSum::value() const {
  double sum = 0.0;
  for (std::size_t exponent = 0; exponent < significands_.size(); ++exponent) {
    // A significand is an integer of 24 bits: 1.0 is 2^23 * 2^(127 - 150).
    const int scale = std::max(static_cast<int>(exponent), 1) - 150;
    sum += std::ldexp(static_cast<double>(significands_[exponent]), scale);
  }
  return sum;
}

}  // namespace planish
