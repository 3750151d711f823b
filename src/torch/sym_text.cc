// Sizes as text: SymPy's srepr() read, infix written.
#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "planish/base/error.h"
#include "torch/printable.h"
#include "torch/sym_expr.h"

namespace planish::torch {
namespace {

constexpr std::size_t kMaxDepth = 64;

struct FunctionName {
  std::string_view name;
  SymOp op;
};
// SymPy's names and those of torch/utils/_sympy/functions.py.
constexpr std::array kFunctions{
    FunctionName{"Add", SymOp::kAdd},
    FunctionName{"CeilToInt", SymOp::kCeil},
    FunctionName{"CleanDiv", SymOp::kFloorDiv},
    FunctionName{"FloatPow", SymOp::kPow},
    FunctionName{"FloatTrueDiv", SymOp::kTrueDiv},
    FunctionName{"FloorDiv", SymOp::kFloorDiv},
    FunctionName{"FloorToInt", SymOp::kFloor},
    FunctionName{"Identity", SymOp::kAdd},
    FunctionName{"IntTrueDiv", SymOp::kTrueDiv},
    FunctionName{"Max", SymOp::kMax},
    FunctionName{"Min", SymOp::kMin},
    FunctionName{"Mod", SymOp::kMod},
    FunctionName{"Mul", SymOp::kMul},
    FunctionName{"Pow", SymOp::kPow},
    FunctionName{"PowByNatural", SymOp::kPow},
    FunctionName{"PythonMod", SymOp::kMod},
    FunctionName{"ToFloat", SymOp::kToReal},
    FunctionName{"TruncToInt", SymOp::kTruncate},
    FunctionName{"ceiling", SymOp::kCeil},
    FunctionName{"floor", SymOp::kFloor},
};

SymOp op_named(std::string_view name) {
  const auto row = std::ranges::find(kFunctions, name, &FunctionName::name);
  return row == kFunctions.end() ? SymOp::kUnknown : row->op;
}

/// Recursive descent over  expr := number | string | name [ "(" [argument ("," argument)*] ")" ],
/// argument := expr | name "=" expr.
class Parser {
 public:
  explicit Parser(std::string_view text) : whole_(text), rest_(text) {}

  SymExpr parse() {
    if (!is_printable(whole_)) fail();
    SymExpr expression = expr(0);
    skip_spaces();
    if (!rest_.empty()) fail();
    return expression;
  }

 private:
  [[noreturn]] void fail() const {
    throw Error(ErrorCode::kCorrupt, "'" + printable(whole_.substr(0, 80)) +
                                         "' is no size; expected an expression as SymPy's srepr() "
                                         "writes it");
  }

  void skip_spaces() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
  }

  bool skip(char token) {
    skip_spaces();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::string_view identifier() {
    skip_spaces();
    constexpr std::string_view kLetters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
    const std::size_t end = std::min(rest_.find_first_not_of(kLetters), rest_.size());
    if (end == 0) fail();
    const std::string_view name = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return name;
  }

  std::string_view quoted() {
    const char quote = rest_.front();
    const std::size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) fail();
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }

  std::int64_t integer() {
    skip_spaces();
    std::int64_t number = 0;
    const auto [end, failure] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
    if (failure != std::errc()) fail();
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return number;
  }

  double real(std::string_view text) const {
    double number = 0.0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure != std::errc() || end != text.data() + text.size()) fail();
    return number;
  }

  /// After the first argument of Symbol and Float: assumptions and precisions, which do not matter
  /// here.
  void skip_keywords() {
    while (skip(',')) {
      identifier();
      if (!skip('=')) fail();
      identifier();
    }
    if (!skip(')')) fail();
  }

  SymExpr expr(std::size_t depth) {
    if (depth > kMaxDepth) fail();
    skip_spaces();
    if (rest_.empty()) fail();
    if (rest_.front() == '-' || (rest_.front() >= '0' && rest_.front() <= '9')) return integer();
    const std::string_view name = identifier();
    if (!skip('(')) return SymExpr::symbol(std::string(name));
    skip_spaces();
    const bool is_quoted = rest_.starts_with('\'') || rest_.starts_with('"');
    if (name == "Symbol" && is_quoted) {
      const std::string symbol(quoted());
      skip_keywords();
      return SymExpr::symbol(symbol);
    }
    if (name == "Float" && is_quoted) {
      const double number = real(quoted());
      skip_keywords();
      return SymExpr::real(number);
    }
    return function(name, depth);
  }

  SymExpr function(std::string_view name, std::size_t depth) {
    std::vector<SymExpr> arguments;
    while (!skip(')')) {
      arguments.push_back(expr(depth + 1));
      if (!skip(',')) {
        if (!skip(')')) fail();
        break;
      }
    }
    if (name == "Integer" && arguments.size() == 1) return arguments.front();
    if (name == "Rational" && arguments.size() == 2) {
      return SymExpr::apply(SymOp::kTrueDiv, std::move(arguments));
    }
    const SymOp op = op_named(name);
    if (op != SymOp::kUnknown && arguments.empty()) fail();
    return SymExpr::apply(op, std::move(arguments), std::string(name));
  }

  std::string_view whole_;
  std::string_view rest_;
};

struct Operator {
  std::string_view text;
  int precedence;  // 0: written as a function
};

Operator operator_of(SymOp op) {
  switch (op) {
    case SymOp::kAdd:
      return {" + ", 1};
    case SymOp::kMul:
      return {"*", 2};
    case SymOp::kFloorDiv:
      return {"//", 2};
    case SymOp::kMod:
      return {"%", 2};
    case SymOp::kTrueDiv:
      return {"/", 2};
    case SymOp::kPow:
      return {"**", 3};
    case SymOp::kMax:
      return {"max", 0};
    case SymOp::kMin:
      return {"min", 0};
    case SymOp::kToReal:
      return {"float", 0};
    case SymOp::kTruncate:
      return {"int", 0};
    case SymOp::kFloor:
      return {"floor", 0};
    case SymOp::kCeil:
      return {"ceil", 0};
    default:
      return {"", 0};
  }
}

std::string infix(const SymExpr& e, int outer,
                  const std::function<std::string(const std::string&)>& rename) {
  switch (e.op()) {
    case SymOp::kInteger:
      return std::to_string(*e.integer());
    case SymOp::kReal:
      return std::to_string(e.real_value());
    case SymOp::kSymbol:
      return rename(e.name());
    default:
      break;
  }
  const Operator symbol = operator_of(e.op());
  const bool is_infix = symbol.precedence > 0;
  std::string text;
  for (const SymExpr& argument : e.arguments()) {
    if (!text.empty()) text += is_infix ? symbol.text : ", ";
    // Only sums and products may be regrouped; so arguments of the same precedence get brackets.
    text += infix(argument, is_infix ? symbol.precedence : 0, rename);
  }
  if (!is_infix) {
    return (symbol.text.empty() ? e.name() : std::string(symbol.text)) + "(" + text + ")";
  }
  return symbol.precedence <= outer ? "(" + text + ")" : text;
}

}  // namespace

std::string to_string(const SymExpr& expression,
                      const std::function<std::string(const std::string&)>& rename) {
  return infix(expression, 0, rename);
}

std::string to_string(const SymExpr& expression) {
  return to_string(expression, [](const std::string& name) { return name; });
}

SymExpr parse_sym_expr(std::string_view text) { return Parser(text).parse(); }

}  // namespace planish::torch
