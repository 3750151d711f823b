#include "torch/sym_expr.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "planish/base/error.h"

namespace planish::torch {
namespace {

bool is_number(const SymExpr& e) { return e.integer().has_value(); }

std::optional<std::int64_t> checked_sum(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

std::optional<std::int64_t> checked_product(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

std::optional<std::int64_t> floor_division(std::int64_t a, std::int64_t b) {
  if (b == 0 || (a == std::numeric_limits<std::int64_t>::min() && b == -1)) return std::nullopt;
  return a / b - static_cast<std::int64_t>((a % b != 0) && ((a < 0) != (b < 0)));
}

std::optional<std::int64_t> python_modulo(std::int64_t a, std::int64_t b) {
  const auto quotient = floor_division(a, b);
  if (!quotient) return std::nullopt;
  return a - *quotient * b;
}

/// The value of an integer function of two integers; nothing where it has none that fits.
std::optional<std::int64_t> fold(SymOp op, std::int64_t a, std::int64_t b) {
  switch (op) {
    case SymOp::kAdd:
      return checked_sum(a, b);
    case SymOp::kMul:
      return checked_product(a, b);
    case SymOp::kFloorDiv:
      return floor_division(a, b);
    case SymOp::kMod:
      return python_modulo(a, b);
    case SymOp::kMax:
      return std::max(a, b);
    case SymOp::kMin:
      return std::min(a, b);
    default:
      return std::nullopt;
  }
}

/// Sums and products: numbers in nested ones too come together, neutral ones go.
std::vector<SymExpr> collected(SymOp op, std::vector<SymExpr> arguments) {
  const std::int64_t neutral = op == SymOp::kAdd ? 0 : 1;
  std::int64_t number = neutral;
  std::vector<SymExpr> rest;
  const auto take = [&](const SymExpr& argument) {
    const auto value = argument.integer();
    const auto folded = value ? fold(op, number, *value) : std::nullopt;
    if (folded)
      number = *folded;
    else
      rest.push_back(argument);
  };
  for (const SymExpr& argument : arguments) {
    if (argument.op() == op)
      std::ranges::for_each(argument.arguments(), take);
    else
      take(argument);
  }
  if (op == SymOp::kMul && number == 0) return {SymExpr(0)};
  if (number != neutral || rest.empty()) rest.insert(rest.begin(), SymExpr(number));
  return rest;
}

std::int64_t integer_from(double value) {
  if (!(std::abs(value) < 9.2e18))
    throw Error(ErrorCode::kUnsupported, "a size that is no 64-bit integer");
  return static_cast<std::int64_t>(value);
}

struct Value {
  bool is_real = false;
  std::int64_t integer = 0;
  double real = 0.0;
  [[nodiscard]] double as_real() const { return is_real ? real : static_cast<double>(integer); }
};

Value real_result(SymOp op, double a, double b) {
  switch (op) {
    case SymOp::kAdd:
      return {true, 0, a + b};
    case SymOp::kMul:
      return {true, 0, a * b};
    case SymOp::kMax:
      return {true, 0, std::max(a, b)};
    case SymOp::kMin:
      return {true, 0, std::min(a, b)};
    case SymOp::kPow:
      return {true, 0, std::pow(a, b)};
    case SymOp::kTrueDiv:
      return {true, 0, a / b};
    default:
      throw Error(ErrorCode::kUnsupported, "an integer function of real numbers");
  }
}

Value combine(SymOp op, const Value& a, const Value& b) {
  if (!a.is_real && !b.is_real && op != SymOp::kPow && op != SymOp::kTrueDiv) {
    const auto folded = fold(op, a.integer, b.integer);
    if (!folded) throw Error(ErrorCode::kUnsupported, "a size that is no 64-bit integer");
    return {false, *folded, 0.0};
  }
  const Value result = real_result(op, a.as_real(), b.as_real());
  if (op == SymOp::kPow && !a.is_real && !b.is_real && b.integer >= 0)
    return {false, integer_from(result.real), 0.0};
  return result;
}

Value value(const SymExpr& e, const std::function<std::int64_t(const std::string&)>& value_of) {
  const auto argument = [&](std::size_t i) { return value(e.arguments().at(i), value_of); };
  switch (e.op()) {
    case SymOp::kInteger:
      return {false, *e.integer(), 0.0};
    case SymOp::kReal:
      return {true, 0, e.real_value()};
    case SymOp::kSymbol:
      return {false, value_of(e.name()), 0.0};
    case SymOp::kToReal:
      return {true, 0, argument(0).as_real()};
    case SymOp::kTruncate:
      return {false, integer_from(std::trunc(argument(0).as_real())), 0.0};
    case SymOp::kFloor:
      return {false, integer_from(std::floor(argument(0).as_real())), 0.0};
    case SymOp::kCeil:
      return {false, integer_from(std::ceil(argument(0).as_real())), 0.0};
    case SymOp::kUnknown:
      throw Error(ErrorCode::kUnsupported, "a size made with the function '" + e.name() + "'");
    default: {
      Value result = argument(0);
      for (std::size_t i = 1; i < e.arguments().size(); ++i)
        result = combine(e.op(), result, argument(i));
      return result;
    }
  }
}

}  // namespace

SymExpr::SymExpr(std::int64_t number) : SymExpr(Node{.integer = number}) {}

SymExpr SymExpr::real(double number) { return SymExpr(Node{.op = SymOp::kReal, .real = number}); }

SymExpr SymExpr::symbol(std::string name) {
  return SymExpr(Node{.op = SymOp::kSymbol, .name = std::move(name)});
}

SymExpr SymExpr::apply(SymOp op, std::vector<SymExpr> arguments, std::string name) {
  if (op == SymOp::kAdd || op == SymOp::kMul) {
    arguments = collected(op, std::move(arguments));
    if (arguments.size() == 1) return arguments.front();
  } else if (arguments.size() == 2 && is_number(arguments[0]) && is_number(arguments[1])) {
    const auto folded = fold(op, *arguments[0].integer(), *arguments[1].integer());
    if (folded) return SymExpr(*folded);
  }
  return SymExpr(Node{.op = op, .name = std::move(name), .arguments = std::move(arguments)});
}

std::optional<std::int64_t> SymExpr::integer() const {
  if (node_->op != SymOp::kInteger) return std::nullopt;
  return node_->integer;
}

void SymExpr::for_each_symbol(const std::function<void(const std::string&)>& visit) const {
  if (op() == SymOp::kSymbol) visit(name());
  for (const SymExpr& argument : arguments()) argument.for_each_symbol(visit);
}

bool operator==(const SymExpr& a, const SymExpr& b) {
  if (a.node_ == b.node_) return true;
  return a.op() == b.op() && a.node_->integer == b.node_->integer &&
         a.node_->real == b.node_->real && a.name() == b.name() && a.arguments() == b.arguments();
}

SymExpr operator+(const SymExpr& a, const SymExpr& b) {
  return SymExpr::apply(SymOp::kAdd, {a, b});
}
SymExpr operator-(const SymExpr& a, const SymExpr& b) { return a + SymExpr(-1) * b; }
SymExpr operator*(const SymExpr& a, const SymExpr& b) {
  return SymExpr::apply(SymOp::kMul, {a, b});
}

std::int64_t evaluate(const SymExpr& expression,
                      const std::function<std::int64_t(const std::string&)>& value_of) {
  const Value result = value(expression, value_of);
  if (result.is_real)
    throw Error(ErrorCode::kUnsupported, "a size that is a real number: " + to_string(expression));
  return result.integer;
}

}  // namespace planish::torch
