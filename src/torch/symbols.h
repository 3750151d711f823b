// The symbols of dynamic dimensions: what they are called, and where their values come from when
// the model runs.
#pragma once

#include <map>
#include <string>
#include <unordered_map>

#include "planish/graph/shape.h"
#include "torch/graph_writer.h"
#include "torch/sym_expr.h"

namespace planish::torch {

class Symbols {
 public:
  explicit Symbols(GraphWriter& writer) : writer_(writer) {}

  /// Names `symbol` for users, unless it has a name: "batch".
  void name(const std::string& symbol, const std::string& wanted);
  [[nodiscard]] std::string name_of(const std::string& symbol) const;

  /// The dimensions of a tensor `value` whose sizes are known in symbols: each symbol that stands
  /// alone in one of them gets its value from there, unless it has one.
  void learn(const std::string& value, const SymShape& shape);
  /// The value of a symbol as a scalar int64 tensor.
  void learn_scalar(const std::string& symbol, const std::string& value);

  /// A dimension as ONNX declares it: a number, or the expression in users' names.
  [[nodiscard]] Dim dim(const SymExpr& size) const;
  [[nodiscard]] Shape shape(const SymShape& sizes) const;

  /// Name of an int64 tensor [N] that holds the sizes: a constant when all are known.
  /// @throws Error(kUnsupported) when a symbol has no value yet, or an expression cannot be
  ///   computed.
  std::string vector_of(const SymShape& sizes);
  /// Name of an int64 tensor [1].
  std::string one_of(const SymExpr& size);
  /// Name of a float32 tensor [1] that holds a real expression.
  std::string real_of(const SymExpr& size);

 private:
  struct Computed {
    std::string value;
    bool is_real = false;
  };
  Computed compute(const SymExpr& size);
  Computed compute_function(const SymExpr& size);
  Computed source_of(const std::string& symbol);
  Computed to_real(const Computed& value);
  std::string emit(const std::string& op, std::vector<std::string> inputs,
                   const Attributes& attributes = {});

  struct Source {
    std::string value;
    std::int64_t axis = 0;  // kScalar: the value itself
  };
  static constexpr std::int64_t kScalar = -1;

  GraphWriter& writer_;
  std::map<std::string, std::string> names_;              // symbol, name
  std::unordered_map<std::string, Source> sources_;       // by symbol
  std::unordered_map<std::string, Computed> computed_;    // by text of the expression
  std::unordered_map<std::string, std::string> vectors_;  // by text of the sizes
};

}  // namespace planish::torch
