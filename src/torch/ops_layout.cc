#include "torch/ops_layout.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "planish/base/error.h"
#include "torch/constant_size.h"
#include "torch/ops_common.h"

namespace planish::torch::ops {
namespace {

constexpr std::int64_t kBegin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

std::string sliced(Call& call, const std::string& value, std::int64_t axis, std::int64_t start,
                   std::int64_t end) {
  return call.emit("Slice", {value, call.ints({start}), call.ints({end}), call.ints({axis})});
}

/// The elements move `shift` places towards the end; what falls off comes in at the front.
std::string rolled(Call& call, const std::string& value, const SymExpr& size, std::int64_t axis,
                   std::int64_t shift) {
  if (const auto count = size.integer(); count && *count > 0) shift %= *count;
  if (shift == 0) return value;
  // Sizes that are not known are taken to be larger than the shift.
  const std::string front = sliced(call, value, axis, -shift, kEnd);
  const std::string back = sliced(call, value, axis, 0, -shift);
  return call.emit("Concat", {front, back}, {{"axis", axis}});
}

std::int64_t from_front(std::int64_t axis, std::int64_t rank) {
  if (axis < -rank || axis >= rank) throw Error(ErrorCode::kCorrupt, "an axis that is not there");
  return axis < 0 ? axis + rank : axis;
}

void triangle(Call& call, bool upper) {
  const Value self = call.tensor("self");
  // ONNX Runtime has kernels for these types.
  const bool has_kernel =
      self.dtype == DType::kFloat32 || self.dtype == DType::kFloat64 || self.dtype == DType::kInt64;
  const DType dtype = has_kernel ? self.dtype : DType::kInt64;
  const std::string diagonal = call.constant(Tensor::scalar(call.integer("diagonal", 0)));
  call.give(call.emit("Trilu", {call.cast(self.name, self.dtype, dtype), diagonal},
                      {{"upper", std::int64_t{upper}}}),
            dtype);
}

}  // namespace

void repeat(Call& call) {
  Value self = call.tensor("self");
  SymShape repeats = call.sizes(call.given("repeats") ? "repeats" : "dims");
  const std::size_t rank = std::max(repeats.size(), self.shape.size());
  SymShape shape = self.shape;
  shape.insert(shape.begin(), rank - shape.size(), SymExpr(1));
  repeats.insert(repeats.begin(), rank - repeats.size(), SymExpr(1));
  const std::string value = reshape(call, self, shape);
  if (std::ranges::all_of(repeats, [](const SymExpr& n) { return n.integer() == 1; }))
    return call.give(value);
  call.give(call.emit("Tile", {value, call.symbols().vector_of(repeats)}));
}

/// Every element `repeats` times, one behind the other.
void repeat_interleave(Call& call) {
  Value self = call.tensor("self");
  const SymExpr repeats = call.size("repeats");
  std::size_t axis = 0;
  if (call.given("dim")) {
    axis = static_cast<std::size_t>(call.axis("dim", self.rank()));
  } else {
    SymExpr count = 1;
    for (const SymExpr& size : self.shape) count = count * size;
    self = {reshape(call, self, {count}), self.dtype, {count}};
  }
  const auto behind = static_cast<std::int64_t>(axis) + 1;
  Value apart{unsqueeze(call, self.name, {behind}), self.dtype, self.shape};
  apart.shape.insert(apart.shape.begin() + behind, SymExpr(1));
  SymShape target(apart.shape.size(), SymExpr(1));
  target[axis + 1] = repeats;
  apart.name = call.emit("Expand", {apart.name, call.symbols().vector_of(target)});
  apart.shape[axis + 1] = repeats;
  call.give(reshape(call, apart, call.result().shape));
}

void flip(Call& call) {
  const Value self = call.tensor("self");
  if (self.rank() == 0 || call.integers("dims").empty()) return call.give(self.name);
  const std::vector<std::int64_t> axes = call.axes("dims", self.rank());
  const std::vector<std::int64_t> minus_one(axes.size(), -1);
  call.give(call.emit("Slice", {self.name, call.ints(minus_one),
                                call.ints(std::vector<std::int64_t>(axes.size(), kBegin)),
                                call.ints(axes), call.ints(minus_one)}));
}

void roll(Call& call) {
  const Value self = call.tensor("self");
  const std::vector<std::int64_t> shifts = call.integers("shifts");
  const std::vector<std::int64_t> dims = call.integers("dims", std::vector<std::int64_t>());
  if (dims.empty()) {
    SymExpr count = 1;
    for (const SymExpr& size : self.shape) count = count * size;
    const std::string flat = call.emit("Reshape", {self.name, call.ints({-1})});
    const std::string moved = rolled(call, flat, count, 0, shifts.at(0));
    return call.give(reshape(call, {moved, self.dtype, {count}}, self.shape));
  }
  std::string value = self.name;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const std::int64_t axis = from_front(dims[i], self.rank());
    value = rolled(call, value, self.shape.at(static_cast<std::size_t>(axis)), axis, shifts.at(i));
  }
  call.give(value);
}

void movedim(Call& call) {
  const Value self = call.tensor("self");
  const std::vector<std::int64_t> from = call.integers("source");
  const std::vector<std::int64_t> to = call.integers("destination");
  std::vector<std::int64_t> perm(self.shape.size(), -1);
  std::vector<bool> moved(self.shape.size(), false);
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::int64_t axis = from_front(from[i], self.rank());
    perm.at(static_cast<std::size_t>(from_front(to.at(i), self.rank()))) = axis;
    moved.at(static_cast<std::size_t>(axis)) = true;
  }
  // The others keep their order.
  std::size_t next = 0;
  for (std::int64_t& axis : perm) {
    if (axis >= 0) continue;
    while (moved.at(next)) ++next;
    axis = static_cast<std::int64_t>(next++);
  }
  call.give(transpose(call, self.name, perm));
}

void swap_axes(Call& call) {
  const Value self = call.tensor("self");
  std::vector<std::int64_t> perm(self.shape.size());
  std::iota(perm.begin(), perm.end(), std::int64_t{0});
  const bool numpy = call.given("axis0");
  std::swap(perm.at(static_cast<std::size_t>(call.axis(numpy ? "axis0" : "dim0", self.rank()))),
            perm.at(static_cast<std::size_t>(call.axis(numpy ? "axis1" : "dim1", self.rank()))));
  call.give(transpose(call, self.name, perm));
}

void narrow(Call& call) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dim", self.rank());
  if (self.shape == call.result().shape) return call.give(self.name);
  const SymExpr start = call.size("start");
  // A start that counts from the end has an end that does so, or is the end.
  const SymExpr end = start + call.size("length");
  const bool to_end = start.integer().value_or(0) < 0 && end.integer() == 0;
  call.give(
      call.emit("Slice", {self.name, call.symbols().one_of(start),
                          call.symbols().one_of(to_end ? SymExpr(kEnd) : end), call.ints({axis})}));
}

/// Windows of `size` along an axis, `step` apart: [..., L, ...] to [..., windows, ..., size].
void unfold(Call& call) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dimension", self.rank());
  const std::int64_t size = call.integer("size");
  const std::int64_t step = call.integer("step");
  const auto windows = call.result().shape.at(static_cast<std::size_t>(axis)).integer();
  if (!windows) call.unsupported("the number of windows is not known");
  const std::vector<std::int64_t> dims{*windows, size};
  std::vector<std::int64_t> index;
  index.reserve(constant_elements(dims));
  for (std::int64_t window = 0; window < *windows; ++window) {
    for (std::int64_t i = 0; i < size; ++i) index.push_back(window * step + i);
  }
  const std::string positions = call.constant(Tensor::of(dims, index));
  const std::string gathered = call.emit("Gather", {self.name, positions}, {{"axis", axis}});
  std::vector<std::int64_t> perm;
  for (std::int64_t i = 0; i <= self.rank(); ++i) {
    if (i != axis + 1) perm.push_back(i);
  }
  perm.push_back(axis + 1);
  call.give(transpose(call, gathered, perm));
}

void meshgrid(Call& call) {
  const std::vector<Value> tensors = call.tensors("tensors");
  const bool exchanged = call.text("indexing", "ij") == "xy" && tensors.size() > 1;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::size_t axis = exchanged && i < 2 ? 1 - i : i;
    SymShape shape(tensors.size(), SymExpr(1));
    shape[axis] = tensors[i].rank() == 0 ? SymExpr(1) : tensors[i].shape.at(0);
    SymShape target = call.result(i).shape;
    target.at(axis) = 1;
    const std::string line = reshape(call, tensors[i], shape);
    call.give(call.emit("Expand", {line, call.symbols().vector_of(target)}), tensors[i].dtype, i);
  }
}

/// The elements where the positions along two axes are `offset` apart, as the last axis.
void diagonal(Call& call) {
  const Value self = call.tensor("self");
  const std::int64_t rows = call.axis("dim1", self.rank(), 0);
  const std::int64_t columns = call.axis("dim2", self.rank(), 1);
  const std::int64_t offset = call.integer("offset", 0);
  const auto count = call.result().shape.back().integer();
  if (!count) call.unsupported("the length of the diagonal is not known");
  const std::vector<std::int64_t> dims{*count, 2};
  std::vector<std::int64_t> index;
  index.reserve(constant_elements(dims));
  for (std::int64_t i = 0; i < *count; ++i) {
    index.push_back(i + std::max<std::int64_t>(-offset, 0));
    index.push_back(i + std::max<std::int64_t>(offset, 0));
  }
  std::vector<std::int64_t> perm{rows, columns};
  for (std::int64_t axis = 0; axis < self.rank(); ++axis) {
    if (axis != rows && axis != columns) perm.push_back(axis);
  }
  const std::string positions = call.constant(Tensor::of(dims, index));
  const std::string found = call.emit("GatherND", {transpose(call, self.name, perm), positions});
  std::vector<std::int64_t> back;
  for (std::int64_t axis = 1; axis < self.rank() - 1; ++axis) back.push_back(axis);
  back.push_back(0);
  call.give(transpose(call, found, back));
}

void tril(Call& call) { triangle(call, false); }
void triu(Call& call) { triangle(call, true); }

}  // namespace planish::torch::ops
