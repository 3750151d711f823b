// The element type of a result, as torch.result_type gives it.
#pragma once

#include "planish/graph/dtype.h"

namespace planish::torch {

/// bool < integers < floats; what a Python number of that kind brings along.
enum class Category { kBool, kInteger, kFloat };
Category category_of(DType dtype);

/// The common type of two tensors of the same standing (c10::promoteTypes).
/// @throws Error(kUnsupported) for types that torch promotes with nothing (float8, complex).
DType promote(DType a, DType b);

/// The operands of one operator, collected by standing: tensors with dimensions count before
/// tensors without, those before Python numbers; one of lower standing matters only when its
/// category is higher (ResultTypeState of aten/src/ATen/native/TypeProperties.cpp).
class ResultType {
 public:
  void add_tensor(DType dtype, bool has_dimensions);
  void add_number(Category category);
  [[nodiscard]] DType dtype() const;

 private:
  DType with_dimensions_ = DType::kUndefined;
  DType without_dimensions_ = DType::kUndefined;
  DType numbers_ = DType::kUndefined;
};

}  // namespace planish::torch
