// One call of an ATen operator while it is lowered: what a builder of the operator table works
// with.
//
// A builder reads the arguments by the names of the operator's schema, emits ONNX nodes and gives
// one value per result. The exporter wrote the type of every result into the archive, so a builder
// never infers shapes: result().shape is what view, squeeze or slice shall make.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "torch/exported_program.h"
#include "torch/graph_writer.h"
#include "torch/promotion.h"
#include "torch/symbols.h"

namespace planish::torch {

/// A tensor of the graph that is written.
struct Value {
  std::string name = {};  // of the ONNX value
  DType dtype = DType::kUndefined;
  SymShape shape = {};

  [[nodiscard]] std::int64_t rank() const { return static_cast<std::int64_t>(shape.size()); }
};

/// Where the names of one program's graph, or of a graph inside it, lead.
class Scope {
 public:
  virtual ~Scope() = default;
  /// @throws Error(kCorrupt) when there is no such tensor, or its graph declares no type for it.
  [[nodiscard]] virtual Value tensor(const std::string& fx_name) const = 0;
  /// The type that the graph declares, as it is lowered. @throws as above.
  [[nodiscard]] virtual Value declared(const std::string& fx_name) const = 0;
  [[nodiscard]] virtual SymExpr size(const std::string& fx_name) const = 0;
  /// float16 and bfloat16 as the configuration wants them; other types as they are.
  [[nodiscard]] virtual DType lowered(DType dtype) const = 0;
};

class Call {
 public:
  /// `path` names the nodes: "layer1.0.conv1".
  Call(const FxNode& node, std::string path, const Scope& scope, GraphWriter& writer,
       Symbols& symbols);

  // ---- Arguments, by the names of the operator's schema. Without a fallback they must be given;
  // ---- an argument that is None counts as not given.
  // ---- @throws Error(kCorrupt) when one is missing or of another kind.
  [[nodiscard]] bool given(std::string_view name) const;
  [[nodiscard]] bool is_tensor(std::string_view name) const;
  [[nodiscard]] Value tensor(std::string_view name) const;
  [[nodiscard]] std::optional<Value> tensor_if_given(std::string_view name) const;
  [[nodiscard]] std::vector<Value> tensors(std::string_view name) const;
  [[nodiscard]] std::vector<std::optional<Value>> optional_tensors(std::string_view name) const;
  [[nodiscard]] std::int64_t integer(std::string_view name,
                                     std::optional<std::int64_t> fallback = {}) const;
  [[nodiscard]] double real(std::string_view name, std::optional<double> fallback = {}) const;
  [[nodiscard]] bool flag(std::string_view name, std::optional<bool> fallback = {}) const;
  [[nodiscard]] std::string text(std::string_view name, std::string_view fallback) const;
  /// A list, or one number in its place. Sizes that are not known are refused: see sizes().
  [[nodiscard]] std::vector<std::int64_t> integers(
      std::string_view name, std::optional<std::vector<std::int64_t>> fallback = {}) const;
  [[nodiscard]] std::vector<double> reals(std::string_view name) const;
  [[nodiscard]] SymExpr size(std::string_view name, std::optional<SymExpr> fallback = {}) const;
  [[nodiscard]] SymShape sizes(std::string_view name) const;
  /// An axis of a tensor of `rank` axes, counted from the front.
  [[nodiscard]] std::int64_t axis(std::string_view name, std::int64_t rank,
                                  std::optional<std::int64_t> fallback = {}) const;
  /// The same of a list, sorted; all axes when it is empty or not given.
  [[nodiscard]] std::vector<std::int64_t> axes(std::string_view name, std::int64_t rank) const;
  /// A tensor or a Python number as an ONNX value of that type (cast, or a constant).
  [[nodiscard]] std::string operand(std::string_view name, DType dtype);
  /// The type in which torch computes with these operands: tensors and numbers.
  [[nodiscard]] DType common_type(std::initializer_list<std::string_view> names) const;

  // ---- Results: types as the exporter wrote them.
  [[nodiscard]] std::size_t result_count() const { return results_.size(); }
  [[nodiscard]] const Value& result(std::size_t i = 0) const;
  /// `value`, of element type `dtype` (the declared one when not said), is result `i`.
  void give(std::string value, DType dtype = DType::kUndefined, std::size_t i = 0);

  // ---- Emission.
  [[nodiscard]] std::int64_t opset() const { return writer_.opset(); }
  std::string emit(const std::string& op, std::vector<std::string> inputs,
                   const Attributes& attributes = {});
  std::vector<std::string> emit_many(const std::string& op, std::vector<std::string> inputs,
                                     std::size_t outputs, const Attributes& attributes = {});
  std::string cast(const std::string& value, DType from, DType to);
  std::string constant(const Tensor& value) { return writer_.constant(value); }
  std::string ints(const std::vector<std::int64_t>& values);  // [N]
  std::string scalar(double value, DType dtype);              // []
  /// Elements of a weight or constant; null when the value is computed.
  [[nodiscard]] const Tensor* constant_of(const Value& value) const {
    return writer_.find_constant(value.name);
  }
  /// A weight [..., M, N] as [..., N, M], made once however often it is used.
  std::string transposed_constant(const Value& value) { return writer_.transposed(value.name); }
  [[nodiscard]] Symbols& symbols() { return symbols_; }

  [[noreturn]] void unsupported(const std::string& why) const;
  [[nodiscard]] const FxNode& node() const { return node_; }

  /// Hands the nodes to the writer. Results that were not given have no name.
  const std::vector<Value>& finish();
  /// Hands the nodes to the writer, for a value that is none of the results.
  void flush();

 private:
  [[nodiscard]] const Argument* find(std::string_view name) const;
  [[nodiscard]] const Argument& required(std::string_view name) const;
  [[noreturn]] void refuse(std::string_view name, std::string_view expected) const;
  void read_results();
  void name_nodes();

  const FxNode& node_;
  std::string path_;
  const Scope& scope_;
  GraphWriter& writer_;
  Symbols& symbols_;
  std::vector<Node> nodes_;
  std::vector<Value> results_;  // types; names once given
};

}  // namespace planish::torch
