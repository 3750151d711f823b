// Emits nodes that work on integers, in order, and brings values back to floats where a node that
// is left, or the caller, wants them.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "quantize/rewriter.h"

namespace planish::quantize_detail {

/// The integers that stand for a value, and the names of what turns them back.
struct IntegerValue {
  std::string integers = {};
  std::string scale = {};
  std::string zero_point = {};
  std::optional<std::int64_t> axis = {};  // of per-channel scales, as DequantizeLinear shall say it
};

class Emitter {
 public:
  explicit Emitter(Rewriter& rewriter);

  /// The integers of `value`; null when it has none (yet).
  [[nodiscard]] const IntegerValue* find(const std::string& value) const;
  void set(const std::string& value, IntegerValue integers);

  void emit(Node node);
  /// DequantizeLinear for all that `node` or a body in it reads and that exists as integers only;
  /// then `node`.
  void emit_left(Node node);
  /// Emits DequantizeLinear when `value` exists as integers only.
  void dequantize(const std::string& value);

  /// Puts what was emitted in place of the graph's nodes, graph outputs dequantized.
  void finish();

 private:
  Rewriter& rewriter_;
  std::unordered_map<std::string, IntegerValue> integers_;
  std::unordered_set<std::string> floats_;  // values that exist as they were
  std::vector<Node> nodes_;
};

/// The attributes of `of` in the order of their names, as new nodes have them.
std::vector<Attribute> sorted_attributes(const Node& of);

/// QLinear<Op>, QGemm, …: `of`'s attributes, "_quant" behind its name.
Node integer_node(const Node& of, std::string op_type, std::vector<std::string> inputs,
                  std::vector<std::string> outputs, std::string domain = {});

}  // namespace planish::quantize_detail
