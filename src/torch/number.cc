#include "torch/number.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "planish/base/error.h"

namespace planish::torch {
namespace {

Tensor half_scalar(std::uint16_t bits, DType dtype) {
  const auto low = static_cast<std::byte>(bits & 0xffU);
  const auto high = static_cast<std::byte>(bits >> 8U);
  return Tensor(dtype, {}, std::vector<std::byte>{low, high});
}

template <typename Number>
Tensor scalar_from(Number value, DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return Tensor::scalar(static_cast<float>(value));
    case DType::kFloat64:
      return Tensor::scalar(static_cast<double>(value));
    case DType::kFloat16:
      return half_scalar(half_from_float(static_cast<float>(value)), dtype);
    case DType::kBFloat16:
      return half_scalar(bfloat16_from_float(static_cast<float>(value)), dtype);
    case DType::kUInt8:
      return Tensor::scalar(static_cast<std::uint8_t>(value));
    case DType::kInt8:
      return Tensor::scalar(static_cast<std::int8_t>(value));
    case DType::kUInt16:
      return Tensor::scalar(static_cast<std::uint16_t>(value));
    case DType::kInt16:
      return Tensor::scalar(static_cast<std::int16_t>(value));
    case DType::kUInt32:
      return Tensor::scalar(static_cast<std::uint32_t>(value));
    case DType::kInt32:
      return Tensor::scalar(static_cast<std::int32_t>(value));
    case DType::kUInt64:
      return Tensor::scalar(static_cast<std::uint64_t>(value));
    case DType::kInt64:
      return Tensor::scalar(static_cast<std::int64_t>(value));
    case DType::kBool:
      return Tensor::scalar(value != Number{0});
    default:
      throw Error(ErrorCode::kUnsupported, "a number of type " + std::string(name_of(dtype)));
  }
}

}  // namespace

Tensor integer_scalar(std::int64_t value, DType dtype) { return scalar_from(value, dtype); }

Tensor real_scalar(double value, DType dtype) {
  if (row_of(dtype).is_float || dtype == DType::kBool) return scalar_from(value, dtype);
  // A conversion of what does not fit is undefined in C++.
  constexpr double kLimit = 9.2e18;
  if (!(std::abs(value) < kLimit)) {
    throw Error(ErrorCode::kUnsupported,
                std::to_string(value) + " as a number of type " + std::string(name_of(dtype)));
  }
  return scalar_from(static_cast<std::int64_t>(value), dtype);
}

}  // namespace planish::torch
