#include "torch/ops_statistics.h"

#include <algorithm>
#include <cmath>

#include "torch/ops_common.h"

namespace planish::torch::ops {
namespace {

/// What the sum of squares is divided by less than the count: 1 unless said otherwise.
double correction_of(const Call& call) {
  if (call.given("unbiased")) return call.flag("unbiased") ? 1.0 : 0.0;
  return call.real("correction", 1.0);
}

/// count - correction, at least 0, as a scalar.
std::string divisor(Call& call, const Value& self, const std::vector<std::int64_t>& axes,
                    DType dtype) {
  SymExpr count = 1;
  for (const std::int64_t axis : axes)
    count = count * self.shape.at(static_cast<std::size_t>(axis));
  const double correction = correction_of(call);
  if (const auto number = count.integer())
    return call.scalar(std::max(static_cast<double>(*number) - correction, 0.0), dtype);
  const std::string real =
      call.cast(call.emit("Squeeze", {call.symbols().real_of(count)}), DType::kFloat32, dtype);
  const std::string rest = call.emit("Sub", {real, call.scalar(correction, dtype)});
  return call.emit("Max", {rest, call.scalar(0.0, dtype)});
}

struct Moments {
  std::string variance;
  std::string mean;
};

Moments moments(Call& call) {
  const Value self = call.tensor("self");
  const DType dtype = call.result().dtype;
  const std::vector<std::int64_t> axes = call.axes("dim", self.rank());
  const bool keep = call.flag("keepdim", false);
  const std::string value = call.operand("self", dtype);
  const std::string mean = reduce(call, "ReduceMean", value, axes, true);
  const std::string difference = call.emit("Sub", {value, mean});
  const std::string squares = call.emit("Mul", {difference, difference});
  const std::string sum = reduce(call, "ReduceSum", squares, axes, keep);
  const bool same = keep || axes.empty();
  return {call.emit("Div", {sum, divisor(call, self, axes, dtype)}),
          same ? mean : squeeze(call, mean, axes)};
}

}  // namespace

void variance(Call& call) { call.give(moments(call).variance); }

void standard_deviation(Call& call) { call.give(call.emit("Sqrt", {moments(call).variance})); }

void variance_and_mean(Call& call) {
  const Moments both = moments(call);
  call.give(both.variance);
  call.give(both.mean, DType::kUndefined, 1);
}

void vector_norm(Call& call) {
  const Value self = call.tensor("self");
  const DType dtype = call.result().dtype;
  const double order = call.given("p") ? call.real("p") : call.real("ord", 2.0);
  const std::vector<std::int64_t> axes = call.axes("dim", self.rank());
  const bool keep = call.flag("keepdim", false);
  const std::string value = call.operand("self", dtype);
  if (axes.empty()) return call.give(call.emit("Abs", {value}));
  if (order == 2.0) return call.give(reduce(call, "ReduceL2", value, axes, keep));
  if (order == 1.0) return call.give(reduce(call, "ReduceL1", value, axes, keep));
  const std::string size = call.emit("Abs", {value});
  if (std::isinf(order)) {
    return call.give(reduce(call, order > 0 ? "ReduceMax" : "ReduceMin", size, axes, keep));
  }
  if (order == 0.0) call.unsupported("the norm of order 0");
  const std::string powers = call.emit("Pow", {size, call.scalar(order, dtype)});
  const std::string sum = reduce(call, "ReduceSum", powers, axes, keep);
  call.give(call.emit("Pow", {sum, call.scalar(1.0 / order, dtype)}));
}

/// x1 . x2 / (max(|x1|, eps) max(|x2|, eps)).
void cosine_similarity(Call& call) {
  const DType dtype = call.result().dtype;
  const std::int64_t rank = std::max(call.tensor("x1").rank(), call.tensor("x2").rank());
  const std::int64_t axis = call.axis("dim", rank, 1) - rank;
  const std::string a = call.operand("x1", dtype);
  const std::string b = call.operand("x2", dtype);
  const std::string eps = call.scalar(call.real("eps", 1e-8), dtype);
  const auto length = [&](const std::string& value) {
    return call.emit("Max", {reduce(call, "ReduceL2", value, {axis}, false), eps});
  };
  const std::string product = reduce(call, "ReduceSum", call.emit("Mul", {a, b}), {axis}, false);
  call.give(call.emit("Div", {product, call.emit("Mul", {length(a), length(b)})}));
}

/// x1: [..., P, M], x2: [..., R, M]; the distances [..., P, R] of all pairs of rows.
void cdist(Call& call) {
  const double order = call.real("p", 2.0);
  if (order != 2.0 && order != 1.0)
    call.unsupported("the distance of order " + std::to_string(order));
  const DType dtype = call.result().dtype;
  const std::string a = unsqueeze(call, call.operand("x1", dtype), {-2});
  const std::string b = unsqueeze(call, call.operand("x2", dtype), {-3});
  const std::string difference = call.emit("Sub", {a, b});
  call.give(reduce(call, order == 2.0 ? "ReduceL2" : "ReduceL1", difference, {-1}, false));
}

}  // namespace planish::torch::ops
