#include "torch/ops_arithmetic.h"

#include "torch/ops_common.h"

namespace planish::torch::ops {
namespace {

/// "other" times "alpha".
std::string scaled_operand(Call& call, std::string_view name, DType dtype) {
  const std::string value = call.operand(name, dtype);
  if (call.real("alpha", 1.0) == 1.0) return value;
  return call.emit("Mul", {value, call.operand("alpha", dtype)});
}

void binary(Call& call, const std::string& op) {
  const DType dtype = call.result().dtype;
  call.give(call.emit(op, {call.operand("self", dtype), call.operand("other", dtype)}));
}

/// Towards zero.
std::string truncated(Call& call, const std::string& value) {
  const std::string magnitude = call.emit("Floor", {call.emit("Abs", {value})});
  return call.emit("Mul", {call.emit("Sign", {value}), magnitude});
}

std::string floored_quotient(Call& call, const std::string& a, const std::string& b, DType dtype) {
  if (row_of(dtype).is_float) return call.emit("Floor", {call.emit("Div", {a, b})});
  // ONNX's Div of integers truncates: floor(a / b) = (a - a mod b) / b, mod of b's sign.
  const std::string rest = call.emit("Mod", {a, b});
  return call.emit("Div", {call.emit("Sub", {a, rest}), b});
}

void compare(Call& call, const std::string& op) {
  DType dtype = call.common_type({"self", "other"});
  // ONNX orders numbers only.
  if (dtype == DType::kBool && op != "Equal") dtype = DType::kInt32;
  call.give(call.emit(op, {call.operand("self", dtype), call.operand("other", dtype)}),
            DType::kBool);
}

/// Whether it is a bitwise operator (bitwise_and, __and__), not a logical one, of integers.
bool of_bits(const Call& call) {
  const bool bitwise = call.node().target.find("logical_") == std::string::npos;
  if (!bitwise || call.result().dtype == DType::kBool) return false;
  if (call.opset() < 18)
    call.unsupported("it works on the bits of integers, which needs opset 18 (--opset 18)");
  return true;
}

/// The logical operators take any type and look whether it is 0; the bitwise ones are the same for
/// bool only.
void logical(Call& call, const std::string& op) {
  if (of_bits(call)) return binary(call, "Bitwise" + op);
  call.give(
      call.emit(op, {call.operand("self", DType::kBool), call.operand("other", DType::kBool)}),
      DType::kBool);
}

void choose(Call& call, std::string_view condition, std::string_view yes, std::string_view no) {
  // ONNX Runtime has no kernel of Where for bool.
  const DType result = call.result().dtype;
  const DType dtype = result == DType::kBool ? DType::kUInt8 : result;
  call.give(call.emit("Where", {call.operand(condition, DType::kBool), call.operand(yes, dtype),
                                call.operand(no, dtype)}),
            dtype);
}

}  // namespace

void add(Call& call) {
  const DType dtype = call.result().dtype;
  if (dtype == DType::kBool) return binary(call, "Or");
  call.give(call.emit("Add", {call.operand("self", dtype), scaled_operand(call, "other", dtype)}));
}

void sub(Call& call) {
  const DType dtype = call.result().dtype;
  call.give(call.emit("Sub", {call.operand("self", dtype), scaled_operand(call, "other", dtype)}));
}

void rsub(Call& call) {
  const DType dtype = call.result().dtype;
  call.give(call.emit("Sub", {call.operand("other", dtype), scaled_operand(call, "self", dtype)}));
}

void mul(Call& call) { binary(call, call.result().dtype == DType::kBool ? "And" : "Mul"); }

void div(Call& call) { binary(call, "Div"); }

void div_mode(Call& call) {
  const DType dtype = call.result().dtype;
  const std::string mode = call.text("rounding_mode", "");
  if (mode == "floor") return floor_divide(call);
  if (mode.empty() || !row_of(dtype).is_float) return div(call);
  const std::string quotient =
      call.emit("Div", {call.operand("self", dtype), call.operand("other", dtype)});
  call.give(truncated(call, quotient));
}

void floor_divide(Call& call) {
  const DType dtype = call.result().dtype;
  const std::string a = call.operand("self", dtype);
  call.give(floored_quotient(call, a, call.operand("other", dtype), dtype));
}

void pow(Call& call) {
  const DType dtype = call.result().dtype;
  const std::string base = call.operand("self", dtype);
  if (!call.is_tensor("exponent")) {
    const double exponent = call.real("exponent");
    if (exponent == 1.0) return call.give(base);
    if (exponent == 2.0) return call.give(call.emit("Mul", {base, base}));
    if (exponent == 0.5) return call.give(call.emit("Sqrt", {base}));
  }
  call.give(call.emit("Pow", {base, call.operand("exponent", dtype)}));
}

void rsqrt(Call& call) {
  const std::string root = call.emit("Sqrt", {call.operand("self", call.result().dtype)});
  call.give(call.emit("Reciprocal", {root}));
}

void maximum(Call& call) { binary(call, "Max"); }
void minimum(Call& call) { binary(call, "Min"); }

void eq(Call& call) { compare(call, "Equal"); }
void lt(Call& call) { compare(call, "Less"); }
void le(Call& call) { compare(call, "LessOrEqual"); }
void gt(Call& call) { compare(call, "Greater"); }
void ge(Call& call) { compare(call, "GreaterOrEqual"); }

void ne(Call& call) {
  const DType dtype = call.common_type({"self", "other"});
  const std::string equal =
      call.emit("Equal", {call.operand("self", dtype), call.operand("other", dtype)});
  call.give(call.emit("Not", {equal}), DType::kBool);
}

void logical_and(Call& call) { logical(call, "And"); }
void logical_or(Call& call) { logical(call, "Or"); }
void logical_xor(Call& call) { logical(call, "Xor"); }

void logical_not(Call& call) {
  if (of_bits(call))
    return call.give(call.emit("BitwiseNot", {call.operand("self", call.result().dtype)}));
  call.give(call.emit("Not", {call.operand("self", DType::kBool)}), DType::kBool);
}

void where(Call& call) { choose(call, "condition", "self", "other"); }

void masked_fill(Call& call) { choose(call, "mask", "value", "self"); }

}  // namespace planish::torch::ops
