#include "torch/ops_order.h"

#include "torch/ops_common.h"

namespace planish::torch::ops {
namespace {

/// ONNX compares numbers only.
std::string comparable(Call& call, const Value& value) {
  return value.dtype == DType::kBool ? call.cast(value.name, DType::kBool, DType::kInt32)
                                     : value.name;
}

std::string positions(Call& call, const std::string& op, const std::string& value,
                      std::int64_t axis, bool keep) {
  return call.emit(op, {value}, {{"axis", axis}, {"keepdims", std::int64_t{keep}}});
}

void arg_extreme(Call& call, const std::string& op) {
  const Value self = call.tensor("self");
  const std::string value = comparable(call, self);
  if (call.given("dim") && self.rank() > 0) {
    const std::int64_t axis = call.axis("dim", self.rank());
    return call.give(positions(call, op, value, axis, call.flag("keepdim", false)), DType::kInt64);
  }
  // Of all elements: a position in the flat tensor.
  const std::string flat = call.emit("Reshape", {value, call.ints({-1})});
  const std::string found = positions(call, op, flat, 0, false);
  call.give(reshape(call, {found, DType::kInt64, {}}, call.result().shape), DType::kInt64);
}

void extreme_along(Call& call, const std::string& reduction, const std::string& op) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dim", self.rank());
  const bool keep = call.flag("keepdim", false);
  const bool scalar = self.rank() == 0;
  const std::string value = comparable(call, self);
  const DType dtype = self.dtype == DType::kBool ? DType::kInt32 : self.dtype;
  call.give(scalar ? value : reduce(call, reduction, value, {axis}, keep), dtype);
  const std::string zero = call.scalar(0.0, DType::kInt64);
  call.give(scalar ? zero : positions(call, op, value, axis, keep), DType::kInt64, 1);
}

/// Values and positions of the first `count` along the axis.
std::vector<std::string> first_of(Call& call, const SymExpr& count, bool largest) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dim", self.rank(), -1);
  return call.emit_many("TopK", {comparable(call, self), call.symbols().one_of(count)}, 2,
                        {{"axis", axis}, {"largest", std::int64_t{largest}}});
}

/// TopK puts the earlier of equal elements first, so this sorts stably.
std::vector<std::string> sorted(Call& call) {
  const Value self = call.tensor("self");
  if (self.rank() == 0) call.unsupported("it sorts a scalar");
  const std::int64_t axis = call.axis("dim", self.rank(), -1);
  return first_of(call, self.shape.at(static_cast<std::size_t>(axis)),
                  call.flag("descending", false));
}

DType compared_type(const Call& call) {
  const DType dtype = call.tensor("self").dtype;
  return dtype == DType::kBool ? DType::kInt32 : dtype;
}

}  // namespace

void argmax(Call& call) { arg_extreme(call, "ArgMax"); }
void argmin(Call& call) { arg_extreme(call, "ArgMin"); }
void max_along(Call& call) { extreme_along(call, "ReduceMax", "ArgMax"); }
void min_along(Call& call) { extreme_along(call, "ReduceMin", "ArgMin"); }

void topk(Call& call) {
  if (call.tensor("self").rank() == 0) call.unsupported("it sorts a scalar");
  const auto found = first_of(call, call.size("k"), call.flag("largest", true));
  call.give(found[0], compared_type(call));
  call.give(found[1], DType::kInt64, 1);
}

void sort(Call& call) {
  const auto found = sorted(call);
  call.give(found[0], compared_type(call));
  call.give(found[1], DType::kInt64, 1);
}

void argsort(Call& call) { call.give(sorted(call)[1], DType::kInt64); }

void cumsum(Call& call) {
  const Value self = call.tensor("self");
  const std::string value = call.operand("self", call.result().dtype);
  if (self.rank() == 0) return call.give(value);
  const std::string axis = call.constant(Tensor::scalar(call.axis("dim", self.rank())));
  call.give(call.emit("CumSum", {value, axis}));
}

}  // namespace planish::torch::ops
