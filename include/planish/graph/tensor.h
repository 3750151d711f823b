// A tensor: element type, dimensions and bytes that agree with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "planish/graph/dtype.h"

namespace planish {

/// A dense, row-major, little-endian tensor. Copies share the bytes, which are never written after
/// construction; so a copy is cheap and safe to hand to another thread.
///
/// Invariant: bytes().size() == byte_count(dtype(), element_count()), except for strings, which
/// have strings() instead; and bytes() is aligned for the element type.
class Tensor {
 public:
  /// A float32 tensor of dimension 0: no elements.
  Tensor();
  /// Takes `bytes`. @throws Error(kCorrupt) when their number does not agree with `dims`.
  Tensor(DType dtype, std::vector<std::int64_t> dims, std::vector<std::byte> bytes);
  /// Takes `bytes` as protobuf hands them out. @throws as above.
  Tensor(DType dtype, std::vector<std::int64_t> dims, std::string bytes);
  /// Views memory that `owner` keeps alive (a mapped file, a runtime's buffer); copies it only when
  /// it is not aligned for `dtype`. @throws as above.
  Tensor(DType dtype, std::vector<std::int64_t> dims, std::span<const std::byte> bytes,
         std::shared_ptr<const void> owner);

  /// A tensor of strings. @throws as above.
  static Tensor of_strings(std::vector<std::int64_t> dims, std::vector<std::string> values);
  /// A tensor with a copy of `values`.
  template <typename T>
  static Tensor of(std::vector<std::int64_t> dims, std::span<const T> values);
  template <typename T>
  static Tensor of(std::vector<std::int64_t> dims, const std::vector<T>& values) {
    return of(std::move(dims), std::span<const T>(values));
  }
  template <typename T>
  static Tensor scalar(T value) {
    return of<T>({}, std::span<const T>(&value, 1));
  }

  [[nodiscard]] DType dtype() const noexcept { return dtype_; }
  [[nodiscard]] const std::vector<std::int64_t>& dims() const noexcept { return dims_; }
  [[nodiscard]] std::size_t rank() const noexcept { return dims_.size(); }
  [[nodiscard]] std::size_t element_count() const noexcept { return element_count_; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::span<const std::string> strings() const noexcept;

  /// The elements. @throws Error(kInvalidArgument) when dtype() is not T's.
  template <typename T>
  [[nodiscard]] std::span<const T> values() const;

  /// The elements of any float type (16, 32, 64 bits, bfloat16) as float32, converted if need be.
  /// @throws Error(kUnsupported) for other types.
  [[nodiscard]] std::vector<float> to_floats() const;
  /// The elements of any integer type of 8 bits or more, or bool, as int64.
  /// @throws Error(kUnsupported) for other types.
  [[nodiscard]] std::vector<std::int64_t> to_ints() const;

  /// The same elements under other dimensions. @throws Error(kCorrupt) when the counts disagree.
  [[nodiscard]] Tensor reshaped(std::vector<std::int64_t> dims) const;

  /// Equal type, dimensions and bytes (so NaN equals the same NaN, and 0.0 differs from -0.0).
  friend bool operator==(const Tensor& a, const Tensor& b);

 private:
  void check_element_type(DType expected) const;
  void adopt(std::shared_ptr<const void> owner, std::span<const std::byte> bytes);

  DType dtype_ = DType::kFloat32;
  std::vector<std::int64_t> dims_{0};
  std::size_t element_count_ = 0;
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
  std::shared_ptr<const std::vector<std::string>> strings_;
};

/// "[1, 3, 224, 224]".
std::string to_string(std::span<const std::int64_t> dims);

template <typename T>
Tensor Tensor::of(std::vector<std::int64_t> dims, std::span<const T> values) {
  static_assert(kDTypeOf<T> != DType::kUndefined, "no DType for this C++ type");
  const auto bytes = std::as_bytes(values);
  return Tensor(kDTypeOf<T>, std::move(dims), std::vector<std::byte>(bytes.begin(), bytes.end()));
}

template <typename T>
std::span<const T> Tensor::values() const {
  static_assert(kDTypeOf<T> != DType::kUndefined, "no DType for this C++ type");
  check_element_type(kDTypeOf<T>);
  return {reinterpret_cast<const T*>(bytes_.data()), element_count_};
}

}  // namespace planish
