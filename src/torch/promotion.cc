#include "torch/promotion.h"

#include <algorithm>
#include <string>

#include "planish/base/error.h"

namespace planish::torch {
namespace {

bool is_signed_integer(DType dtype) {
  return dtype == DType::kInt8 || dtype == DType::kInt16 || dtype == DType::kInt32 ||
         dtype == DType::kInt64;
}

DType signed_integer_of(int bits) {
  if (bits <= 8) return DType::kInt8;
  if (bits <= 16) return DType::kInt16;
  return bits <= 32 ? DType::kInt32 : DType::kInt64;
}

bool takes_part(DType dtype) {
  const DTypeRow& row = row_of(dtype);
  return dtype == DType::kBool || (row.is_float && row.bits >= 16) ||
         (!row.is_float && row.bits >= 8 && row.bits <= 64 && dtype != DType::kComplex64);
}

DType promote_standing(DType higher, DType lower) {
  if (higher == DType::kUndefined) return lower;
  if (lower == DType::kUndefined) return higher;
  return category_of(lower) > category_of(higher) ? promote(higher, lower) : higher;
}

}  // namespace

Category category_of(DType dtype) {
  if (dtype == DType::kBool) return Category::kBool;
  return row_of(dtype).is_float ? Category::kFloat : Category::kInteger;
}

DType promote(DType a, DType b) {
  if (a == b) return a;
  if (a == DType::kUndefined) return b;
  if (b == DType::kUndefined) return a;
  if (!takes_part(a) || !takes_part(b)) {
    throw Error(ErrorCode::kUnsupported,
                "no common type of " + std::string(name_of(a)) + " and " + std::string(name_of(b)));
  }
  if (category_of(a) != category_of(b)) return category_of(a) > category_of(b) ? a : b;
  const int bits = std::max(row_of(a).bits, row_of(b).bits);
  if (category_of(a) == Category::kFloat) {
    if (row_of(a).bits == row_of(b).bits) return DType::kFloat32;  // float16 and bfloat16
    return row_of(a).bits == bits ? a : b;
  }
  // Signed and unsigned integers of one width meet in the next wider signed one.
  const DType wider = row_of(a).bits == bits ? a : b;
  const DType other = wider == a ? b : a;
  if (is_signed_integer(wider) && row_of(wider).bits > row_of(other).bits) return wider;
  if (is_signed_integer(a) == is_signed_integer(b)) return wider;
  return signed_integer_of(bits * 2);
}

void ResultType::add_tensor(DType dtype, bool has_dimensions) {
  DType& standing = has_dimensions ? with_dimensions_ : without_dimensions_;
  standing = promote(standing, dtype);
}

void ResultType::add_number(Category category) {
  const DType dtype = category == Category::kBool      ? DType::kBool
                      : category == Category::kInteger ? DType::kInt64
                                                       : DType::kFloat32;
  numbers_ = promote(numbers_, dtype);
}

DType ResultType::dtype() const {
  return promote_standing(promote_standing(with_dimensions_, without_dimensions_), numbers_);
}

}  // namespace planish::torch
