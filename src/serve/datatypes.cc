#include "planish/serve/datatypes.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace planish::serve {
namespace {

struct DatatypeRow {
  DType dtype = DType::kUndefined;
  std::string_view name = {};
};

constexpr std::array kDatatypes{
    DatatypeRow{DType::kBool, "BOOL"},     DatatypeRow{DType::kUInt8, "UINT8"},
    DatatypeRow{DType::kUInt16, "UINT16"}, DatatypeRow{DType::kUInt32, "UINT32"},
    DatatypeRow{DType::kUInt64, "UINT64"}, DatatypeRow{DType::kInt8, "INT8"},
    DatatypeRow{DType::kInt16, "INT16"},   DatatypeRow{DType::kInt32, "INT32"},
    DatatypeRow{DType::kInt64, "INT64"},   DatatypeRow{DType::kFloat16, "FP16"},
    DatatypeRow{DType::kFloat32, "FP32"},  DatatypeRow{DType::kFloat64, "FP64"},
    DatatypeRow{DType::kString, "BYTES"},  DatatypeRow{DType::kBFloat16, "BF16"},
};

}  // namespace

std::string_view datatype_of(DType dtype) {
  const auto found = std::ranges::find(kDatatypes, dtype, &DatatypeRow::dtype);
  return found == kDatatypes.end() ? std::string_view() : found->name;
}

std::optional<DType> dtype_from_datatype(std::string_view datatype) {
  const auto found = std::ranges::find(kDatatypes, datatype, &DatatypeRow::name);
  if (found == kDatatypes.end()) return std::nullopt;
  return found->dtype;
}

bool has_json_form(DType dtype) {
  return dtype != DType::kFloat16 && dtype != DType::kBFloat16 && !datatype_of(dtype).empty();
}

std::string binary_of(const Tensor& tensor) {
  if (tensor.dtype() != DType::kString)
    return {reinterpret_cast<const char*>(tensor.bytes().data()), tensor.bytes().size()};
  std::string out;
  for (const std::string& value : tensor.strings()) {
    const auto length = static_cast<std::uint32_t>(value.size());
    out.append(reinterpret_cast<const char*>(&length), sizeof(length));
    out += value;
  }
  return out;
}

}  // namespace planish::serve
