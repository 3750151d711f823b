// Sizes that depend on symbols: "s77", "2*s0", "s0//2 + 1".
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace planish::torch {

/// The functions of torch.utils._sympy.functions and of SymPy that sizes are made of. Integer
/// functions take and give integers; kFloat… and kTo… cross to and from real numbers.
enum class SymOp {
  kInteger,   // a number
  kReal,      // a number that is not an integer
  kSymbol,    // a name
  kAdd,       // of any number of arguments
  kMul,       // of any number of arguments
  kFloorDiv,  // rounds towards minus infinity
  kMod,       // has the sign of the divisor, as Python's %
  kMax,
  kMin,
  kPow,
  kTrueDiv,  // integers or reals to a real
  kToReal,
  kTruncate,  // a real to an integer, towards zero
  kFloor,     // a real to an integer
  kCeil,      // a real to an integer
  kUnknown,   // a function that is not in this list: carried, not evaluated
};

/// An immutable expression; copies share it.
class SymExpr {
 public:
  SymExpr() : SymExpr(0) {}
  SymExpr(std::int64_t number);                           // NOLINT: reads as a literal
  SymExpr(int number) : SymExpr(std::int64_t{number}) {}  // NOLINT
  static SymExpr real(double number);
  static SymExpr symbol(std::string name);
  /// A function of other expressions; `name` is kept for kUnknown. Numbers are folded where that is
  /// exact.
  static SymExpr apply(SymOp op, std::vector<SymExpr> arguments, std::string name = {});

  [[nodiscard]] SymOp op() const { return node_->op; }
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  [[nodiscard]] double real_value() const { return node_->real; }
  /// Of a symbol or an unknown function.
  [[nodiscard]] const std::string& name() const { return node_->name; }
  [[nodiscard]] const std::vector<SymExpr>& arguments() const { return node_->arguments; }

  /// Calls `visit` with every symbol, each as often as it occurs.
  void for_each_symbol(const std::function<void(const std::string&)>& visit) const;

  /// Equal structure. (SymPy writes equal sizes in one way.)
  friend bool operator==(const SymExpr& a, const SymExpr& b);

 private:
  struct Node {
    SymOp op = SymOp::kInteger;
    std::int64_t integer = 0;
    double real = 0.0;
    std::string name = {};
    std::vector<SymExpr> arguments = {};
  };
  explicit SymExpr(Node node) : node_(std::make_shared<const Node>(std::move(node))) {}

  std::shared_ptr<const Node> node_;
};

using SymShape = std::vector<SymExpr>;

SymExpr operator+(const SymExpr& a, const SymExpr& b);
SymExpr operator-(const SymExpr& a, const SymExpr& b);
SymExpr operator*(const SymExpr& a, const SymExpr& b);

/// "2*batch": infix, symbols renamed by `rename`.
std::string to_string(const SymExpr& expression,
                      const std::function<std::string(const std::string&)>& rename);
std::string to_string(const SymExpr& expression);

/// The value when every symbol has one. @throws Error(kUnsupported) for unknown functions and for
///   results that are no integer.
std::int64_t evaluate(const SymExpr& expression,
                      const std::function<std::int64_t(const std::string&)>& value_of);

/// Reads what SymPy's srepr() writes: "Mul(Integer(2), Symbol('s0', positive=True,
/// integer=True))"; and a bare name or number.
/// @throws Error(kCorrupt) when it is neither, or nests deeper than 64 levels.
SymExpr parse_sym_expr(std::string_view text);

}  // namespace planish::torch
