#include "torch/scalar_types.h"

#include <algorithm>
#include <string>

#include "planish/base/error.h"

namespace planish::torch {

DType dtype_of_scalar_type(std::int64_t number) {
  const auto* const row = std::ranges::find(kScalarTypes, number, &ScalarTypeRow::number);
  if (row != kScalarTypes.end()) return row->dtype;
  throw Error(ErrorCode::kUnsupported, "element type number " + std::to_string(number) +
                                           " of torch; expected a float, integer or bool type");
}

}  // namespace planish::torch
