#include "torch/ops_scatter.h"

#include <algorithm>
#include <numeric>

#include "planish/base/error.h"
#include "torch/ops_common.h"

namespace planish::torch::ops {
namespace {

/// The axes of a tensor with `axis` in front; exchanging the two is its own inverse.
std::vector<std::int64_t> to_front(std::int64_t rank, std::int64_t axis) {
  std::vector<std::int64_t> perm(static_cast<std::size_t>(rank));
  std::iota(perm.begin(), perm.end(), std::int64_t{0});
  std::swap(perm.at(0), perm.at(static_cast<std::size_t>(axis)));
  return perm;
}

/// `base` with `rows` at the positions `index` (int64 [N]) along the axis. reduction: "none" or
/// "add".
std::string scattered_rows(Call& call, const Value& base, const std::string& rows,
                           const std::string& index, std::int64_t axis,
                           const std::string& reduction = "none") {
  const std::vector<std::int64_t> perm = to_front(base.rank(), axis);
  const std::string result = call.emit(
      "ScatterND",
      {transpose(call, base.name, perm), unsqueeze(call, index, {1}), transpose(call, rows, perm)},
      {{"reduction", reduction}});
  return transpose(call, result, perm);
}

std::string positions_of(Call& call, std::string_view name) {
  const Value index = call.tensor(name);
  const std::string positions = call.cast(index.name, index.dtype, DType::kInt64);
  return index.rank() == 0 ? unsqueeze(call, positions, {0}) : positions;
}

/// "src", cut to the size of the positions: torch reads only as much of it.
std::string updates_of(Call& call, const Value& index, DType dtype) {
  const Value source = call.tensor("src");
  const std::string value = call.cast(source.name, source.dtype, dtype);
  if (source.shape == index.shape) return value;
  std::vector<std::int64_t> axes(index.shape.size());
  std::iota(axes.begin(), axes.end(), std::int64_t{0});
  return call.emit("Slice", {value, call.ints(std::vector<std::int64_t>(axes.size(), 0)),
                             call.symbols().vector_of(index.shape), call.ints(axes)});
}

void scatter_with(Call& call, const std::string& updates, const std::string& reduction) {
  const Value self = call.tensor("self");
  const Value index = call.tensor("index");
  if (self.rank() == 0) call.unsupported("it writes into a scalar");
  if ((reduction == "max" || reduction == "min") && call.opset() < 18)
    call.unsupported("the reduction " + reduction + " needs opset 18 (--opset 18)");
  call.give(call.emit("ScatterElements", {self.name, index.name, updates},
                      {{"axis", call.axis("dim", self.rank())}, {"reduction", reduction}}));
}

std::string onnx_reduction(const Call& call, const std::string& name) {
  if (name.empty()) return "none";
  if (name == "add" || name == "sum") return "add";
  if (name == "multiply" || name == "prod") return "mul";
  if (name == "amax") return "max";
  if (name == "amin") return "min";
  call.unsupported("the reduction '" + name + "'; expected sum, prod, amax or amin");
}

/// A scalar spread over the positions.
std::string spread_over(Call& call, const std::string& scalar, const Value& index) {
  return call.emit("Expand", {scalar, call.symbols().vector_of(index.shape)});
}

}  // namespace

SymExpr first_row(const SymExpr& start, const SymExpr& size) {
  const auto number = start.integer();
  const auto rows = size.integer();
  if (number && *number >= 0) return rows ? SymExpr(std::min(*number, *rows)) : start;
  if (number && rows) return std::max<std::int64_t>(*number + *rows, 0);
  return number ? size + start : start;
}

std::string with_rows(Call& call, const Value& base, const Value& rows, std::int64_t axis,
                      const SymExpr& start, std::int64_t step) {
  const SymExpr count = rows.shape.at(static_cast<std::size_t>(axis));
  if (base.shape == rows.shape) return rows.name;
  const std::string index = call.emit(
      "Range", {scalar_size(call, start), scalar_size(call, start + count * SymExpr(step)),
                call.constant(Tensor::scalar(step))});
  return scattered_rows(call, base, rows.name, index, axis);
}

void gather(Call& call) {
  const Value self = call.tensor("self");
  const Value index = call.tensor("index");
  if (self.rank() == 0) return call.give(self.name);
  call.give(call.emit("GatherElements", {self.name, index.name},
                      {{"axis", call.axis("dim", self.rank())}}));
}

void scatter(Call& call) {
  const Value index = call.tensor("index");
  const DType dtype = call.result().dtype;
  const std::string updates = call.given("src")
                                  ? updates_of(call, index, dtype)
                                  : spread_over(call, call.operand("value", dtype), index);
  scatter_with(call, updates, onnx_reduction(call, call.text("reduce", "")));
}

void scatter_add(Call& call) {
  scatter_with(call, updates_of(call, call.tensor("index"), call.result().dtype), "add");
}

void scatter_reduce(Call& call) {
  if (!call.flag("include_self", true)) call.unsupported("include_self=False");
  const std::string reduction = onnx_reduction(call, call.text("reduce", ""));
  scatter_with(call, updates_of(call, call.tensor("index"), call.result().dtype), reduction);
}

void select_scatter(Call& call) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dim", self.rank());
  Value rows = call.tensor("src");
  rows.name = unsqueeze(call, call.cast(rows.name, rows.dtype, self.dtype), {axis});
  rows.shape.insert(rows.shape.begin() + axis, SymExpr(1));
  const SymExpr& size = self.shape.at(static_cast<std::size_t>(axis));
  call.give(with_rows(call, self, rows, axis, first_row(call.size("index"), size), 1));
}

void slice_scatter(Call& call) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dim", self.rank(), 0);
  Value rows = call.tensor("src");
  rows.name = call.cast(rows.name, rows.dtype, self.dtype);
  const SymExpr& size = self.shape.at(static_cast<std::size_t>(axis));
  const SymExpr start = first_row(call.size("start", SymExpr(0)), size);
  call.give(with_rows(call, self, rows, axis, start, call.integer("step", 1)));
}

void index_copy(Call& call) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dim", self.rank());
  call.give(scattered_rows(call, self, call.operand("source", self.dtype),
                           positions_of(call, "index"), axis));
}

void index_add(Call& call) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dim", self.rank());
  std::string rows = call.operand("source", self.dtype);
  if (call.real("alpha", 1.0) != 1.0)
    rows = call.emit("Mul", {rows, call.operand("alpha", self.dtype)});
  call.give(scattered_rows(call, self, rows, positions_of(call, "index"), axis, "add"));
}

void index_fill(Call& call) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dim", self.rank());
  SymShape shape = self.shape;
  const Value index = call.tensor("index");
  shape.at(static_cast<std::size_t>(axis)) = index.rank() == 0 ? SymExpr(1) : index.shape.at(0);
  const std::string rows =
      call.emit("Expand", {call.operand("value", self.dtype), call.symbols().vector_of(shape)});
  call.give(scattered_rows(call, self, rows, positions_of(call, "index"), axis));
}

}  // namespace planish::torch::ops
