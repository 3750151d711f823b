#include "planish/graph/dtype.h"

#include <bit>
#include <string>

#include "planish/base/checked.h"
#include "planish/base/error.h"

namespace planish {

std::size_t byte_count(DType dtype, std::size_t element_count) {
  const int bits = row_of(dtype).bits;
  if (bits == 0) {
    throw Error(ErrorCode::kUnsupported,
                "elements of type " + std::string(name_of(dtype)) + " have no fixed size");
  }
  if (bits >= 8) return checked_mul(element_count, static_cast<std::size_t>(bits / 8));
  const auto width = static_cast<std::size_t>(bits);
  return element_count / 8 * width + (element_count % 8 * width + 7) / 8;  // cannot overflow
}

float float_from_half(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16U;
  const std::uint32_t exponent = (bits >> 10U) & 0x1fU;
  std::uint32_t fraction = bits & 0x3ffU;
  if (exponent == 0x1fU) return std::bit_cast<float>(sign | 0x7f800000U | (fraction << 13U));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112U) << 23U) | (fraction << 13U));
  if (fraction == 0) return std::bit_cast<float>(sign);
  std::uint32_t shifted = 113;  // a subnormal half is a normal float
  while ((fraction & 0x400U) == 0) {
    fraction <<= 1U;
    --shifted;
  }
  return std::bit_cast<float>(sign | (shifted << 23U) | ((fraction & 0x3ffU) << 13U));
}

std::uint16_t half_from_float(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16U) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);   // NaN
  if (magnitude >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00U);  // infinity
  if (magnitude < 0x33000001U) return sign;  // below half of the smallest subnormal: zero
  const std::uint32_t exponent = magnitude >> 23U;
  const std::uint32_t fraction = (magnitude & 0x7fffffU) | 0x800000U;
  const std::uint32_t drop = exponent < 113 ? 126 - exponent : 13;
  std::uint32_t result = fraction >> drop;
  const std::uint32_t rest = fraction & ((1U << drop) - 1U);
  const std::uint32_t half = 1U << (drop - 1U);
  if (rest > half || (rest == half && (result & 1U) != 0)) ++result;
  // A normal half: `result` still holds the implicit bit, which adds one to the exponent.
  if (exponent >= 113) result += (exponent - 113U) << 10U;
  return static_cast<std::uint16_t>(sign | result);
}

float float_from_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

std::uint16_t bfloat16_from_float(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((bits >> 16U) | 0x40U);
  const std::uint32_t rounding = 0x7fffU + ((bits >> 16U) & 1U);
  return static_cast<std::uint16_t>((bits + rounding) >> 16U);
}

}  // namespace planish
