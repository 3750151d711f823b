// Which tensors get Q/DQ pairs, before any has parameters: node by node, as ONNX Runtime 1.32 marks
// them. The order of marks is the order of the pairs in the new model.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "quantize/planners.h"

namespace planish::quantize_detail {

/// A tensor that gets a Q/DQ pair (or, a constant, a DQ).
struct Mark {
  std::string tensor = {};
  TensorRole role = TensorRole::kActivation;  // kWeight: in the weight type when it is constant
  std::optional<std::size_t> axis = {};
  std::string shares = {};     // the tensor whose parameters it has
  std::string shares_at = {};  // the node that reads `shares`: which of its types, if converted
  bool dropped = false;        // its node was absorbed
};

/// A bias that gets a DQ, of scale input * weight * beta.
struct BiasMark {
  std::size_t node = 0;
  std::string bias = {};
  std::string copy = {};  // `bias`, or the name of this node's own copy
  std::string input = {};
  std::string weight = {};
  float beta = 1.0F;
};

class QdqMarks {
 public:
  std::vector<Mark> tensors = {};
  std::vector<BiasMark> biases = {};
  /// Values that a DequantizeLinear of the model makes → that node.
  std::unordered_map<std::string, std::size_t> already = {};

  /// Null when it has no mark (any more).
  [[nodiscard]] const Mark* find(const std::string& tensor) const;
  /// A new mark; null when it has one.
  Mark* add(const std::string& tensor, TensorRole role);
  /// The mark of `tensor`, which has one.
  Mark& at(const std::string& tensor) { return tensors[index_.at(tensor)]; }
  void drop(const std::string& tensor);

 private:
  std::unordered_map<std::string, std::size_t> index_;
};

/// Marks what the nodes that `input` takes need; leaves nodes that turn out not to be fed, absorbs
/// clamps, in input.decisions.
QdqMarks mark_tensors(PlanInput& input);

}  // namespace planish::quantize_detail
