// What the planner asks about a graph, answered from hashes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "planish/graph/graph_index.h"
#include "planish/graph/model.h"

namespace planish::quantize_detail {

/// Valid while the graph is unchanged.
class GraphFacts {
 public:
  explicit GraphFacts(const Graph& graph);

  [[nodiscard]] const GraphIndex& index() const { return index_; }
  /// The initializer of that name; also when it is a graph input as well: ONNX Runtime's quantizer
  /// takes its value as fixed, and so does planish.
  [[nodiscard]] const Initializer* constant(std::string_view name) const;
  /// The value of an initializer or of a Constant node; null when it is computed.
  [[nodiscard]] const Tensor* constant_value(std::string_view name) const;
  /// Element type of a value or initializer; kUndefined when it is not known or no tensor.
  [[nodiscard]] DType dtype(std::string_view name) const;
  /// float32 or float16: what can be quantized.
  [[nodiscard]] bool is_float(std::string_view name) const;
  [[nodiscard]] bool is_float_constant(std::string_view name) const;
  /// The node that makes `name`; null for inputs and initializers.
  [[nodiscard]] const Node* producer(std::string_view name) const;

 private:
  const Graph* graph_;
  GraphIndex index_;
  std::unordered_map<std::string_view, const Initializer*> initializers_;
};

/// `axis` counted from the front; nothing when it is out of [-rank, rank).
std::optional<std::size_t> normalized_axis(std::int64_t axis, std::size_t rank);

}  // namespace planish::quantize_detail
