// The s8 activations of a quantized model.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "planish/graph/graph_index.h"
#include "planish/graph/model.h"
#include "quantize/integer_ops.h"

namespace planish::quantize_detail {

/// Whether output 0 of `node` is 8-bit integers: QGemm without an output scale writes floats.
bool writes_integers(const Node& node, const IntegerOp& op);

/// Which values of the outermost graph are s8 activations, and which nodes can take and make them
/// as u8: those of kIntegerOps whose data is all s8 and whose zero points are constants. Valid
/// while the graph's nodes and initializers are unchanged.
class SignedValues {
 public:
  explicit SignedValues(const Graph& graph);

  /// Whether node i can do the same on u8.
  [[nodiscard]] bool flips(std::size_t i) const { return flips_[i]; }
  [[nodiscard]] const std::unordered_set<std::string>& values() const { return values_; }
  [[nodiscard]] const GraphIndex& index() const { return index_; }
  /// The value of an initializer; null when there is none of that name.
  [[nodiscard]] const Tensor* constant(const std::string& name) const;
  /// Whether that input of `node` is a constant that stays s8.
  [[nodiscard]] bool is_weight(const Node& node, const IntegerInput& input) const;

 private:
  [[nodiscard]] bool is_declared_signed(const std::string& value) const;
  [[nodiscard]] bool is_signed_constant(const std::string& name) const;
  [[nodiscard]] bool is_read_as_weight(const std::string& value) const;
  [[nodiscard]] bool has_plain_zero_point(const Node& node, int input) const;
  [[nodiscard]] bool makes_signed(const Node& node, const IntegerOp& op) const;
  [[nodiscard]] bool pads_with_constant(const Node& node) const;
  bool visit(const Node& node);
  bool can_flip(const Node& node, const IntegerOp& op);

  const Graph& graph_;
  GraphIndex index_;
  std::unordered_map<std::string, const Tensor*> constants_;
  std::unordered_set<std::string> values_;
  std::vector<bool> flips_;
};

}  // namespace planish::quantize_detail
