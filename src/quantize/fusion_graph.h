// The working copy of a graph on which the forecast follows ONNX Runtime: nodes joined by edges
// that are kept up to date while it is edited.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "planish/graph/model.h"
#include "planish/quantize/fusion.h"

namespace planish::quantize_detail {

struct FusionEdge {
  static constexpr std::size_t kBySubgraph = static_cast<std::size_t>(-1);
  std::size_t node = 0;
  std::size_t input = 0;
  friend bool operator==(const FusionEdge&, const FusionEdge&) = default;
};

struct FusionValue {
  std::optional<std::size_t> producer = {};
  std::vector<FusionEdge> readers = {};
  bool is_output = false;            // of the graph
  bool is_constant = false;          // initializer that nothing overrides, or folded
  const Tensor* constant = nullptr;  // its content, where known
  DType dtype = DType::kUndefined;
  std::optional<Shape> shape = {};
};

/// The constant scale and zero point of a Q or DQ node.
struct PairParams {
  bool has_zero_point = false;
  bool is_scalar = false;  // rank 0 or [1], both
  bool is_rank_0 = false;
  float scale = 0.0F;
  std::int64_t zero_point = 0;
  DType scale_dtype = DType::kFloat32;
  DType dtype = DType::kUInt8;  // of the zero point, or the default
};

class FusionGraph {
 public:
  FusionGraph(const Graph& graph, std::int64_t opset);

  [[nodiscard]] std::int64_t opset() const { return opset_; }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] bool is_alive(std::size_t node) const { return alive_[node]; }
  [[nodiscard]] const Node& node(std::size_t at) const { return nodes_[at].node; }
  [[nodiscard]] FusedNode& entry(std::size_t at) { return nodes_[at]; }
  [[nodiscard]] const FusionValue& value(const std::string& name) const;
  [[nodiscard]] std::vector<std::string> constants() const;
  /// Living nodes, each behind what it reads.
  [[nodiscard]] std::vector<std::size_t> order() const;

  [[nodiscard]] bool is_quantize(std::size_t node) const;
  [[nodiscard]] bool is_dequantize(std::size_t node) const;
  [[nodiscard]] bool has_subgraph(std::size_t node) const;
  /// The node that makes input `slot`; nothing for inputs and constants.
  [[nodiscard]] std::optional<std::size_t> maker(std::size_t node, std::size_t slot) const;
  /// Edges from all outputs of `node`, in output order.
  [[nodiscard]] std::vector<FusionEdge> readers(std::size_t node) const;
  [[nodiscard]] bool makes_output(std::size_t node) const;
  /// Whether its outputs are read `count` times and are no graph outputs (ONNX Runtime's
  /// CheckOutputEdges).
  [[nodiscard]] bool has_edges_only(std::size_t node, std::size_t count) const;
  /// Nothing when scale or zero point are computed.
  [[nodiscard]] std::optional<PairParams> params(std::size_t node) const;
  /// Element type of the integers of a Q (its output) or DQ (its input).
  [[nodiscard]] DType integers_of(std::size_t node) const;

  std::size_t add(Node node, std::optional<std::size_t> source = {});
  void set_input(std::size_t node, std::size_t slot, const std::string& value);
  void set_inputs(std::size_t node, std::vector<std::string> inputs);
  void set_output(std::size_t node, std::size_t slot, const std::string& value);
  /// The node and its edges go; what reads its outputs is left without a maker.
  void remove(std::size_t node);
  /// Readers of `from` read `to`; graph outputs do not follow.
  void move_readers(const std::string& from, const std::string& to);
  /// The node goes and its readers read its first input; when it makes a graph output, what makes
  /// that input makes the output instead. False when that cannot be: then nothing changes.
  bool bypass(std::size_t node);

  void set_type(const std::string& value, DType dtype, std::optional<Shape> shape);
  void make_constant(const std::string& value, DType dtype, std::optional<Shape> shape,
                     const Tensor* content = nullptr);
  /// A new constant with that content.
  std::string add_constant(std::string_view wish, Tensor content);
  std::string fresh(std::string_view wish);

  [[nodiscard]] FusionForecast finish() const;

 private:
  [[nodiscard]] DType value_dtype(const std::string& name) const;
  FusionValue& at(const std::string& name) { return values_[name]; }
  void attach(std::size_t node);
  void detach_reader(const std::string& value, FusionEdge edge);

  std::int64_t opset_ = 0;
  std::deque<FusedNode> nodes_;  // references stay valid while nodes are added
  std::vector<bool> alive_;
  std::vector<std::vector<std::string>> outer_reads_;  // by subgraphs of a node
  std::unordered_map<std::string, FusionValue> values_;
  std::deque<Tensor> made_constants_;
  std::size_t names_made_ = 0;
};

}  // namespace planish::quantize_detail
