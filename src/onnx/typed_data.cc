#include "onnx/typed_data.h"

#include <cstring>
#include <memory>
#include <utility>

#include "planish/base/checked.h"
#include "planish/base/error.h"

namespace planish {
namespace {

template <typename T>
using List = google::protobuf::RepeatedField<T>;

void require_entries(std::string_view list, std::size_t found, std::size_t expected, DType dtype,
                     std::span<const std::int64_t> dims) {
  if (found == expected) return;
  throw Error(ErrorCode::kCorrupt, std::string(list) + " has " + std::to_string(found) +
                                       " entries; type " + std::string(name_of(dtype)) +
                                       " and shape " + to_string(dims) + " need " +
                                       std::to_string(expected));
}

/// A tensor whose bytes are those of the list itself: nothing is copied.
template <typename T>
Tensor adopt_list(List<T>& list, DType dtype, std::vector<std::int64_t> dims) {
  auto owner = std::make_shared<List<T>>(std::move(list));
  list.Clear();
  const std::span<const T> view(owner->data(), static_cast<std::size_t>(owner->size()));
  return Tensor(dtype, std::move(dims), std::as_bytes(view), std::move(owner));
}

/// The low `bits` of `entry`, which must hold no more than that, signed or unsigned.
template <typename T>
std::uint32_t low_bits(T entry, int bits) {
  const std::int64_t limit = std::int64_t{1} << bits;
  if (std::cmp_less(entry, -limit / 2) || std::cmp_greater_equal(entry, limit)) {
    throw Error(ErrorCode::kCorrupt, "entry " + std::to_string(entry) + " does not fit in " +
                                         std::to_string(bits) + " bits");
  }
  return static_cast<std::uint32_t>(entry) & static_cast<std::uint32_t>(limit - 1);
}

/// Packs the low `bits` of each entry without gaps, the first in the lowest bits.
template <typename T>
std::vector<std::byte> pack(const List<T>& list, int bits) {
  std::vector<std::byte> bytes;
  bytes.reserve(static_cast<std::size_t>(list.size()) * static_cast<std::size_t>(bits) / 8 + 1);
  std::uint64_t pending = 0;
  int pending_bits = 0;
  for (const T entry : list) {
    pending |= std::uint64_t{low_bits(entry, bits)} << pending_bits;
    for (pending_bits += bits; pending_bits >= 8; pending_bits -= 8) {
      bytes.push_back(static_cast<std::byte>(pending & 0xffU));
      pending >>= 8U;
    }
  }
  if (pending_bits > 0) bytes.push_back(static_cast<std::byte>(pending));
  return bytes;
}

/// int32_data: one element an entry; 4-bit and 2-bit types have a whole byte of them in an entry.
Tensor take_int32_data(List<std::int32_t>& list, DType dtype, std::vector<std::int64_t> dims) {
  const std::size_t count = checked_element_count(dims);
  const int bits = row_of(dtype).bits;
  const bool by_bytes = bits == 4 || bits == 2;
  require_entries("int32_data", static_cast<std::size_t>(list.size()),
                  by_bytes ? byte_count(dtype, count) : count, dtype, dims);
  if (bits == 32) return adopt_list(list, dtype, std::move(dims));
  std::vector<std::byte> bytes = pack(list, by_bytes ? 8 : bits);
  list.Clear();
  return Tensor(dtype, std::move(dims), std::move(bytes));
}

}  // namespace

Tensor take_typed_data(onnx::TensorProto& proto, DType dtype, std::vector<std::int64_t> dims) {
  const std::size_t count = checked_element_count(dims);
  const auto require = [&](std::string_view list, int found, std::size_t expected) {
    require_entries(list, static_cast<std::size_t>(found), expected, dtype, dims);
  };
  switch (dtype) {
    case DType::kFloat32:
    case DType::kComplex64:  // real and imaginary parts in turn
      require("float_data", proto.float_data_size(), byte_count(dtype, count) / sizeof(float));
      return adopt_list(*proto.mutable_float_data(), dtype, std::move(dims));
    case DType::kFloat64:
    case DType::kComplex128:
      require("double_data", proto.double_data_size(), byte_count(dtype, count) / sizeof(double));
      return adopt_list(*proto.mutable_double_data(), dtype, std::move(dims));
    case DType::kInt64:
      require("int64_data", proto.int64_data_size(), count);
      return adopt_list(*proto.mutable_int64_data(), dtype, std::move(dims));
    case DType::kUInt64:
      require("uint64_data", proto.uint64_data_size(), count);
      return adopt_list(*proto.mutable_uint64_data(), dtype, std::move(dims));
    case DType::kUInt32: {
      require("uint64_data", proto.uint64_data_size(), count);
      std::vector<std::byte> bytes = pack(proto.uint64_data(), 32);
      proto.clear_uint64_data();
      return Tensor(dtype, std::move(dims), std::move(bytes));
    }
    default:
      return take_int32_data(*proto.mutable_int32_data(), dtype, std::move(dims));
  }
}

bool has_typed_data(const onnx::TensorProto& proto) {
  return proto.float_data_size() + proto.double_data_size() > 0 || proto.int32_data_size() > 0 ||
         proto.int64_data_size() > 0 || proto.uint64_data_size() > 0 ||
         proto.string_data_size() > 0;
}

}  // namespace planish
