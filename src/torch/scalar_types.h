// Element types as torch.export numbers them.
#pragma once

#include <array>
#include <cstdint>

#include "planish/graph/dtype.h"

namespace planish::torch {

struct ScalarTypeRow {
  std::int64_t number = 0;  // ScalarType of torch/_export/serde/schema.py
  DType dtype = DType::kUndefined;
};

inline constexpr std::array kScalarTypes{
    ScalarTypeRow{1, DType::kUInt8},           ScalarTypeRow{2, DType::kInt8},
    ScalarTypeRow{3, DType::kInt16},           ScalarTypeRow{4, DType::kInt32},
    ScalarTypeRow{5, DType::kInt64},           ScalarTypeRow{6, DType::kFloat16},
    ScalarTypeRow{7, DType::kFloat32},         ScalarTypeRow{8, DType::kFloat64},
    ScalarTypeRow{10, DType::kComplex64},      ScalarTypeRow{11, DType::kComplex128},
    ScalarTypeRow{12, DType::kBool},           ScalarTypeRow{13, DType::kBFloat16},
    ScalarTypeRow{28, DType::kUInt16},         ScalarTypeRow{29, DType::kFloat8E4M3FN},
    ScalarTypeRow{30, DType::kFloat8E5M2},     ScalarTypeRow{31, DType::kFloat8E4M3FNUZ},
    ScalarTypeRow{32, DType::kFloat8E5M2FNUZ}, ScalarTypeRow{33, DType::kFloat8E8M0},
    ScalarTypeRow{34, DType::kUInt32},         ScalarTypeRow{35, DType::kUInt64},
};

/// @throws Error(kUnsupported) for a number that has no row.
DType dtype_of_scalar_type(std::int64_t number);

}  // namespace planish::torch
