#include "dataset/convert.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "planish/base/error.h"

namespace planish::detail {
namespace {

bool is_float(DType dtype) {
  return dtype == DType::kFloat16 || dtype == DType::kBFloat16 || dtype == DType::kFloat32 ||
         dtype == DType::kFloat64;
}

bool is_integer_or_bool(DType dtype) {
  switch (dtype) {
    case DType::kBool:
    case DType::kUInt8:
    case DType::kInt8:
    case DType::kUInt16:
    case DType::kInt16:
    case DType::kUInt32:
    case DType::kInt32:
    case DType::kUInt64:
    case DType::kInt64:
      return true;
    default:
      return false;
  }
}

[[noreturn]] void refuse(const std::string& found, DType wanted) {
  throw Error(ErrorCode::kInvalidArgument,
              "found " + found + "; expected elements of type " + std::string(name_of(wanted)));
}

template <typename Value>
void check_finite(Value value, bool stays_finite, DType wanted) {
  if (!stays_finite) refuse("the value " + std::to_string(value) + ", which is too large", wanted);
}

/// Value is double or int64.
template <typename Value>
Tensor to_halves(const Tensor& like, const std::vector<Value>& values, DType wanted) {
  const bool half = wanted == DType::kFloat16;
  std::vector<std::byte> bytes(values.size() * 2);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<float>(values[i]);
    const std::uint16_t bits = half ? half_from_float(value) : bfloat16_from_float(value);
    const float back = half ? float_from_half(bits) : float_from_bfloat16(bits);
    check_finite(values[i], std::isfinite(back) || !std::isfinite(static_cast<double>(values[i])),
                 wanted);
    bytes[2 * i] = static_cast<std::byte>(bits & 0xffU);
    bytes[2 * i + 1] = static_cast<std::byte>(bits >> 8U);
  }
  return Tensor(wanted, like.dims(), std::move(bytes));
}

template <typename Value>
Tensor to_float(const Tensor& like, const std::vector<Value>& values, DType wanted) {
  if (wanted == DType::kFloat64)
    return Tensor::of(like.dims(), std::vector<double>(values.begin(), values.end()));
  if (wanted != DType::kFloat32) return to_halves(like, values, wanted);
  std::vector<float> floats;
  floats.reserve(values.size());
  for (const Value value : values) {
    const auto rounded = static_cast<float>(value);
    check_finite(value, std::isfinite(rounded) || !std::isfinite(static_cast<double>(value)),
                 wanted);
    floats.push_back(rounded);
  }
  return Tensor::of(like.dims(), floats);
}

std::vector<double> to_doubles(const Tensor& tensor) {
  if (tensor.dtype() == DType::kFloat64) {
    const auto values = tensor.values<double>();
    return {values.begin(), values.end()};
  }
  const std::vector<float> floats = tensor.to_floats();
  return {floats.begin(), floats.end()};
}

template <typename T>
Tensor to_integer(const Tensor& like, const std::vector<std::int64_t>& values, DType wanted) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool fits =
        wanted == DType::kBool ? values[i] == 0 || values[i] == 1 : std::in_range<T>(values[i]);
    if (!fits) refuse("the value " + std::to_string(values[i]), wanted);
    const auto value = static_cast<T>(values[i]);
    std::copy_n(reinterpret_cast<const std::byte*>(&value), sizeof value,
                bytes.begin() + static_cast<std::ptrdiff_t>(i * sizeof value));
  }
  return Tensor(wanted, like.dims(), std::move(bytes));
}

Tensor from_ints(const Tensor& tensor, DType wanted) {
  const std::vector<std::int64_t> values = tensor.to_ints();
  if (tensor.dtype() == DType::kUInt64 &&
      std::any_of(values.begin(), values.end(), [](auto v) { return v < 0; })) {
    refuse("a value above 2^63 - 1 of type uint64", wanted);
  }
  if (is_float(wanted)) return to_float(tensor, values, wanted);
  switch (wanted) {
    case DType::kBool:
    case DType::kUInt8:
      return to_integer<std::uint8_t>(tensor, values, wanted);
    case DType::kInt8:
      return to_integer<std::int8_t>(tensor, values, wanted);
    case DType::kUInt16:
      return to_integer<std::uint16_t>(tensor, values, wanted);
    case DType::kInt16:
      return to_integer<std::int16_t>(tensor, values, wanted);
    case DType::kUInt32:
      return to_integer<std::uint32_t>(tensor, values, wanted);
    case DType::kInt32:
      return to_integer<std::int32_t>(tensor, values, wanted);
    case DType::kUInt64:
      return to_integer<std::uint64_t>(tensor, values, wanted);
    default:
      return to_integer<std::int64_t>(tensor, values, wanted);
  }
}

}  // namespace

bool is_convertible(DType from, DType wanted) {
  if (from == wanted) return true;
  if (is_float(from)) return is_float(wanted);
  return is_integer_or_bool(from) && (is_integer_or_bool(wanted) || is_float(wanted));
}

Tensor convert(const Tensor& tensor, DType wanted) {
  if (tensor.dtype() == wanted) return tensor;
  if (!is_convertible(tensor.dtype(), wanted)) {
    refuse("elements of type " + std::string(name_of(tensor.dtype())), wanted);
  }
  return is_float(tensor.dtype()) ? to_float(tensor, to_doubles(tensor), wanted)
                                  : from_ints(tensor, wanted);
}

}  // namespace planish::detail
