// Element types of tensors: one row per type of ONNX's TensorProto.DataType.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace planish {

/// The values are those of onnx.TensorProto.DataType.
enum class DType : std::int32_t {
  kUndefined = 0,
  kFloat32 = 1,
  kUInt8 = 2,
  kInt8 = 3,
  kUInt16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kFloat64 = 11,
  kUInt32 = 12,
  kUInt64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBFloat16 = 16,
  kFloat8E4M3FN = 17,
  kFloat8E4M3FNUZ = 18,
  kFloat8E5M2 = 19,
  kFloat8E5M2FNUZ = 20,
  kUInt4 = 21,
  kInt4 = 22,
  kFloat4E2M1 = 23,
  kFloat8E8M0 = 24,
  kUInt2 = 25,
  kInt2 = 26,
  kFloat6E2M3 = 27,
  kFloat6E3M2 = 28,
};

/// What planish knows of one element type. `bits` is 0 where an element has no fixed size.
struct DTypeRow {
  DType dtype = DType::kUndefined;
  std::string_view name = {};  // as NumPy and the ONNX documentation say it
  int bits = 0;
  bool is_float = false;
};

inline constexpr std::array kDTypes{
    DTypeRow{DType::kUndefined, "undefined", 0, false},
    DTypeRow{DType::kFloat32, "float32", 32, true},
    DTypeRow{DType::kUInt8, "uint8", 8, false},
    DTypeRow{DType::kInt8, "int8", 8, false},
    DTypeRow{DType::kUInt16, "uint16", 16, false},
    DTypeRow{DType::kInt16, "int16", 16, false},
    DTypeRow{DType::kInt32, "int32", 32, false},
    DTypeRow{DType::kInt64, "int64", 64, false},
    DTypeRow{DType::kString, "string", 0, false},
    DTypeRow{DType::kBool, "bool", 8, false},
    DTypeRow{DType::kFloat16, "float16", 16, true},
    DTypeRow{DType::kFloat64, "float64", 64, true},
    DTypeRow{DType::kUInt32, "uint32", 32, false},
    DTypeRow{DType::kUInt64, "uint64", 64, false},
    DTypeRow{DType::kComplex64, "complex64", 64, false},
    DTypeRow{DType::kComplex128, "complex128", 128, false},
    DTypeRow{DType::kBFloat16, "bfloat16", 16, true},
    DTypeRow{DType::kFloat8E4M3FN, "float8e4m3fn", 8, true},
    DTypeRow{DType::kFloat8E4M3FNUZ, "float8e4m3fnuz", 8, true},
    DTypeRow{DType::kFloat8E5M2, "float8e5m2", 8, true},
    DTypeRow{DType::kFloat8E5M2FNUZ, "float8e5m2fnuz", 8, true},
    DTypeRow{DType::kUInt4, "uint4", 4, false},
    DTypeRow{DType::kInt4, "int4", 4, false},
    DTypeRow{DType::kFloat4E2M1, "float4e2m1", 4, true},
    DTypeRow{DType::kFloat8E8M0, "float8e8m0", 8, true},
    DTypeRow{DType::kUInt2, "uint2", 2, false},
    DTypeRow{DType::kInt2, "int2", 2, false},
    DTypeRow{DType::kFloat6E2M3, "float6e2m3", 6, true},
    DTypeRow{DType::kFloat6E3M2, "float6e3m2", 6, true},
};

constexpr bool dtypes_are_in_order() {
  for (std::size_t i = 0; i < kDTypes.size(); ++i) {
    if (static_cast<std::size_t>(kDTypes.at(i).dtype) != i) return false;
  }
  return true;
}
static_assert(dtypes_are_in_order(), "kDTypes: one row per DType, in enum order");

constexpr const DTypeRow& row_of(DType dtype) {
  return kDTypes.at(static_cast<std::size_t>(dtype));
}
constexpr std::string_view name_of(DType dtype) { return row_of(dtype).name; }

/// The type whose ONNX number is `value`; nothing when ONNX has no such type.
constexpr std::optional<DType> dtype_from_onnx(std::int32_t value) {
  if (value < 0 || static_cast<std::size_t>(value) >= kDTypes.size()) return std::nullopt;
  return static_cast<DType>(value);
}

/// Bytes that `element_count` elements take, packed without gaps as ONNX packs them (two 4-bit
/// elements in a byte, four 6-bit elements in three).
/// @throws Error(kCorrupt) on overflow, Error(kUnsupported) for strings and undefined.
std::size_t byte_count(DType dtype, std::size_t element_count);

/// The DType of a C++ type, for Tensor::values<T>(). Halves and smaller have no C++ type here.
template <typename T>
inline constexpr DType kDTypeOf = DType::kUndefined;
template <>
inline constexpr DType kDTypeOf<float> = DType::kFloat32;
template <>
inline constexpr DType kDTypeOf<double> = DType::kFloat64;
template <>
inline constexpr DType kDTypeOf<std::uint8_t> = DType::kUInt8;
template <>
inline constexpr DType kDTypeOf<std::int8_t> = DType::kInt8;
template <>
inline constexpr DType kDTypeOf<std::uint16_t> = DType::kUInt16;
template <>
inline constexpr DType kDTypeOf<std::int16_t> = DType::kInt16;
template <>
inline constexpr DType kDTypeOf<std::uint32_t> = DType::kUInt32;
template <>
inline constexpr DType kDTypeOf<std::int32_t> = DType::kInt32;
template <>
inline constexpr DType kDTypeOf<std::uint64_t> = DType::kUInt64;
template <>
inline constexpr DType kDTypeOf<std::int64_t> = DType::kInt64;
template <>
inline constexpr DType kDTypeOf<bool> = DType::kBool;

/// IEEE 754 binary16 and bfloat16 bit patterns to and from float (round to nearest, ties to even).
float float_from_half(std::uint16_t bits);
std::uint16_t half_from_float(float value);
float float_from_bfloat16(std::uint16_t bits);
std::uint16_t bfloat16_from_float(float value);

}  // namespace planish
