#include "torch/strided.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "planish/base/checked.h"
#include "planish/base/error.h"

namespace planish::torch {
namespace {

std::size_t known_number(const SymExpr& expression, const char* what) {
  const auto number = expression.integer();
  if (!number || *number < 0) {
    throw Error(ErrorCode::kCorrupt, std::string(what) + " " + to_string(expression) +
                                         " of a weight; expected a number that is not negative");
  }
  return static_cast<std::size_t>(*number);
}

/// One axis of the view, in elements.
struct Axis {
  std::size_t size = 0;
  std::size_t stride = 0;
};

std::vector<Axis> axes_of(const TensorMeta& meta) {
  if (meta.sizes.size() != meta.strides.size()) {
    throw Error(ErrorCode::kCorrupt, std::to_string(meta.sizes.size()) + " sizes and " +
                                         std::to_string(meta.strides.size()) + " strides");
  }
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < meta.sizes.size(); ++i) {
    axes.push_back({known_number(meta.sizes[i], "size"), known_number(meta.strides[i], "stride")});
  }
  return axes;
}

/// Strides of axes of size 1 do not matter.
bool is_row_major(const std::vector<Axis>& axes) {
  std::size_t expected = 1;
  for (std::size_t i = axes.size(); i-- > 0;) {
    if (axes[i].size == 1) continue;
    if (axes[i].stride != expected) return false;
    expected *= axes[i].size;
  }
  return true;
}

/// Elements from the first to the last one of the view.
std::size_t reach_of(const std::vector<Axis>& axes) {
  std::size_t reach = 1;
  for (const Axis& axis : axes) reach = checked_add(reach, checked_mul(axis.size - 1, axis.stride));
  return reach;
}

std::vector<std::byte> gather(const std::vector<Axis>& axes, const std::byte* first,
                              std::size_t count, std::size_t element_bytes) {
  std::vector<std::byte> out(checked_mul(count, element_bytes));
  std::vector<std::size_t> index(axes.size());
  std::size_t from = 0;
  for (std::size_t to = 0; to < count; ++to) {
    std::memcpy(out.data() + to * element_bytes, first + from * element_bytes, element_bytes);
    for (std::size_t axis = axes.size(); axis-- > 0;) {
      from += axes[axis].stride;
      if (++index[axis] < axes[axis].size) break;
      from -= axes[axis].stride * axes[axis].size;
      index[axis] = 0;
    }
  }
  return out;
}

}  // namespace

Tensor strided_tensor(const TensorMeta& meta, std::span<const std::byte> storage,
                      const std::shared_ptr<const void>& owner,
                      const std::function<void(std::size_t bytes)>& allow) {
  const std::vector<Axis> axes = axes_of(meta);
  std::vector<std::int64_t> dims;
  for (const Axis& axis : axes) dims.push_back(static_cast<std::int64_t>(axis.size));
  const std::size_t count = checked_element_count(dims);
  if (count == 0) return Tensor(meta.dtype, std::move(dims), std::vector<std::byte>());
  const std::size_t element_bytes = byte_count(meta.dtype, 1);
  const std::size_t offset =
      checked_mul(known_number(meta.storage_offset, "storage offset"), element_bytes);
  const std::size_t reach = checked_mul(reach_of(axes), element_bytes);
  if (checked_add(offset, reach) > storage.size()) {
    throw Error(ErrorCode::kCorrupt, "a view that ends at byte " + std::to_string(offset + reach) +
                                         " of a storage of " + std::to_string(storage.size()));
  }
  allow(checked_mul(count, element_bytes));
  const auto view = storage.subspan(offset, reach);
  if (is_row_major(axes)) return Tensor(meta.dtype, std::move(dims), view, owner);
  return Tensor(meta.dtype, std::move(dims), gather(axes, view.data(), count, element_bytes));
}

}  // namespace planish::torch
