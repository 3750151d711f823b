// What is known of the small integer tensors with which exported models compute shapes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "planish/graph/graph_index.h"
#include "planish/graph/shape.h"

namespace planish::rewrite {

/// Elements of an int64 or int32 tensor of rank 0 or 1: each a number, the symbol of a dimension
/// that it equals, or unknown.
struct ShapeValue {
  std::vector<Dim> elements = {};
  std::size_t rank = 1;
  DType dtype = DType::kInt64;

  [[nodiscard]] bool is_known() const;
};

/// Follows dimensions from Shape and Size through Gather, Slice, Concat, Squeeze, Unsqueeze,
/// Reshape, Cast and integer arithmetic, in the order of the nodes.
class ShapeValues {
 public:
  /// Keeps references: both must outlive this.
  ShapeValues(const Graph& graph, const GraphIndex& index);

  /// What is known of `value`; null when it is no such tensor.
  [[nodiscard]] const ShapeValue* find(const std::string& value) const;

 private:
  const GraphIndex* index_;
  std::unordered_map<std::string, ShapeValue> values_;
};

}  // namespace planish::rewrite
