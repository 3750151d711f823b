#include "torch/ops_math.h"

#include <limits>
#include <numbers>

#include "torch/ops_common.h"
#include "torch/ops_creation.h"

namespace planish::torch::ops {
namespace {

/// Natural logarithm times `factor`.
void scaled_log(Call& call, double factor) {
  const DType dtype = call.result().dtype;
  const std::string log = call.emit("Log", {call.operand("self", dtype)});
  call.give(call.emit("Mul", {log, call.scalar(factor, dtype)}));
}

/// self + value * (tensor1 op tensor2).
void add_combined(Call& call, const std::string& op) {
  const DType dtype = call.result().dtype;
  std::string term =
      call.emit(op, {call.operand("tensor1", dtype), call.operand("tensor2", dtype)});
  if (call.real("value", 1.0) != 1.0) term = call.emit("Mul", {term, call.operand("value", dtype)});
  call.give(call.emit("Add", {call.operand("self", dtype), term}));
}

/// An operator that asks something of float numbers; integers never are what it asks for.
void test_of_floats(Call& call, const std::string& op) {
  const Value self = call.tensor("self");
  const bool is_float = row_of(self.dtype).is_float;
  const std::string value =
      call.cast(self.name, self.dtype, is_float ? self.dtype : DType::kFloat32);
  call.give(call.emit(op, {value}), DType::kBool);
}

/// `value`, or `other` where the condition holds.
std::string replaced(Call& call, const std::string& condition, double other,
                     const std::string& value, DType dtype) {
  return call.emit("Where", {condition, call.scalar(other, dtype), value});
}

}  // namespace

void addcmul(Call& call) { add_combined(call, "Mul"); }
void addcdiv(Call& call) { add_combined(call, "Div"); }

/// Atan of y / x, turned by half a circle towards the sign of y where x < 0. Where x = 0 the
/// quotient is infinite, whose Atan is a quarter.
void atan2(Call& call) {
  const DType dtype = call.result().dtype;
  const std::string y = call.operand("self", dtype);
  const std::string x = call.operand("other", dtype);
  const std::string zero = call.scalar(0.0, dtype);
  const std::string angle = call.emit("Atan", {call.emit("Div", {y, x})});
  const std::string half_turn =
      call.emit("Where", {call.emit("Less", {y, zero}), call.scalar(-std::numbers::pi, dtype),
                          call.scalar(std::numbers::pi, dtype)});
  const std::string turned = call.emit("Add", {angle, half_turn});
  const std::string result = call.emit("Where", {call.emit("Less", {x, zero}), turned, angle});
  // 0 / 0 is not a number, and the angle of it is 0.
  const std::string nowhere =
      call.emit("And", {call.emit("Equal", {x, zero}), call.emit("Equal", {y, zero})});
  call.give(replaced(call, nowhere, 0.0, result, dtype));
}

void exp2(Call& call) {
  const DType dtype = call.result().dtype;
  const std::string exponent =
      call.emit("Mul", {call.operand("self", dtype), call.scalar(std::numbers::ln2, dtype)});
  call.give(call.emit("Exp", {exponent}));
}

void expm1(Call& call) {
  const DType dtype = call.result().dtype;
  const std::string exp = call.emit("Exp", {call.operand("self", dtype)});
  call.give(call.emit("Sub", {exp, call.scalar(1.0, dtype)}));
}

void log1p(Call& call) {
  const DType dtype = call.result().dtype;
  const std::string sum = call.emit("Add", {call.operand("self", dtype), call.scalar(1.0, dtype)});
  call.give(call.emit("Log", {sum}));
}

void log2(Call& call) { scaled_log(call, 1.0 / std::numbers::ln2); }
void log10(Call& call) { scaled_log(call, 1.0 / std::numbers::ln10); }

/// log(x / (1 - x)), of x clamped to [eps, 1 - eps] where eps is given.
void logit(Call& call) {
  const DType dtype = call.result().dtype;
  std::string x = call.operand("self", dtype);
  if (call.given("eps")) {
    const double eps = call.real("eps");
    x = call.emit("Clip", {x, call.scalar(eps, dtype), call.scalar(1.0 - eps, dtype)});
  }
  const std::string rest = call.emit("Sub", {call.scalar(1.0, dtype), x});
  call.give(call.emit("Log", {call.emit("Div", {x, rest})}));
}

void fmod(Call& call) {
  const DType dtype = call.result().dtype;
  call.give(call.emit("Mod", {call.operand("self", dtype), call.operand("other", dtype)},
                      {{"fmod", std::int64_t{1}}}));
}

/// Has the sign of the divisor. ONNX's Mod does so for integers only.
void remainder(Call& call) {
  const DType dtype = call.result().dtype;
  const std::string a = call.operand("self", dtype);
  const std::string b = call.operand("other", dtype);
  if (!row_of(dtype).is_float) return call.give(call.emit("Mod", {a, b}));
  const std::string quotient = call.emit("Floor", {call.emit("Div", {a, b})});
  call.give(call.emit("Sub", {a, call.emit("Mul", {quotient, b})}));
}

void isfinite(Call& call) {
  const Value self = call.tensor("self");
  if (!row_of(self.dtype).is_float) return ones(call);
  const std::string odd =
      call.emit("Or", {call.emit("IsNaN", {self.name}), call.emit("IsInf", {self.name})});
  call.give(call.emit("Not", {odd}), DType::kBool);
}

void isinf(Call& call) { test_of_floats(call, "IsInf"); }
void isnan(Call& call) { test_of_floats(call, "IsNaN"); }

void lerp(Call& call) {
  const DType dtype = call.result().dtype;
  const std::string start = call.operand("self", dtype);
  const std::string way = call.emit("Sub", {call.operand("end", dtype), start});
  const std::string part = call.emit("Mul", {way, call.operand("weight", dtype)});
  call.give(call.emit("Add", {start, part}));
}

void nan_to_num(Call& call) {
  const Value self = call.tensor("self");
  const DType dtype = self.dtype;
  if (!row_of(dtype).is_float) return call.give(self.name);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double largest = dtype == DType::kFloat16   ? 65504.0
                         : dtype == DType::kFloat64 ? std::numeric_limits<double>::max()
                                                    : double{std::numeric_limits<float>::max()};
  std::string value =
      replaced(call, call.emit("IsNaN", {self.name}), call.real("nan", 0.0), self.name, dtype);
  const auto replace_infinite = [&](double infinite, double by) {
    const std::string found = call.emit("Equal", {value, call.scalar(infinite, dtype)});
    value = replaced(call, found, by, value, dtype);
  };
  replace_infinite(kInfinity, call.real("posinf", largest));
  replace_infinite(-kInfinity, call.real("neginf", -largest));
  call.give(value);
}

void square(Call& call) {
  const std::string value = call.operand("self", call.result().dtype);
  call.give(call.emit("Mul", {value, value}));
}

/// Towards zero.
void trunc(Call& call) {
  const DType dtype = call.result().dtype;
  const std::string value = call.operand("self", dtype);
  if (!row_of(dtype).is_float) return call.give(value);
  const std::string magnitude = call.emit("Floor", {call.emit("Abs", {value})});
  call.give(call.emit("Mul", {call.emit("Sign", {value}), magnitude}));
}

}  // namespace planish::torch::ops
