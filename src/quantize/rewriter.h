// What the rewriters share: a working copy of the model, its initializers by name, and the order of
// its nodes at the end.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "planish/graph/model.h"
#include "planish/quantize/plan.h"

namespace planish::quantize_detail {

inline constexpr std::string_view kContribDomain = "com.microsoft";

/// A node without attributes.
Node make_node(std::string op_type, std::vector<std::string> inputs,
               std::vector<std::string> outputs, std::string name, std::string domain = {});

/// Initializers that hold a tensor's parameters.
struct ParamNames {
  std::string scale = {};
  std::string zero_point = {};
};

class Rewriter {
 public:
  /// @throws Error(kInvalidArgument) when the plan's nodes are not the model's.
  Rewriter(const QuantizationPlan& plan, const Model& model);

  Model& model() { return model_; }
  Graph& graph() { return model_.graph; }
  [[nodiscard]] const QuantizationPlan& plan() const { return plan_; }

  /// The plan of `tensor`; null when it has none.
  [[nodiscard]] const TensorPlan* find(const std::string& tensor) const;
  /// The tensor whose parameters `tensor` has: itself unless it shares.
  [[nodiscard]] const TensorPlan& root_of(const TensorPlan& tensor) const;
  /// The names of the parameters of `tensor`'s (first) pair.
  [[nodiscard]] ParamNames names_of(const TensorPlan& tensor) const;

  [[nodiscard]] const Initializer* constant(const std::string& name) const;
  /// Adds a constant; the first of a name stays.
  void add_constant(const std::string& name, Tensor value);
  void remove_constant(const std::string& name);
  /// Adds `<tensor>_zero_point` and `<tensor>_scale`.
  void add_params(const TensorPlan& tensor);
  /// Adds those of the tensor's conversion, which it has.
  ParamNames add_conversion(const TensorPlan& tensor);
  /// The axis of a bias along which its scales lie; nothing when it has one. A Gemm's bias may be
  /// [1, N]; the peer says axis 0 even then.
  [[nodiscard]] std::optional<std::size_t> bias_axis(const BiasPlan& bias) const;
  /// The node that clamps `integers` to the bounds of `tensor`'s plan and writes `clamped`; nothing
  /// when the bounds are those of the type.
  std::optional<Node> clip_of(const TensorPlan& tensor, const std::string& integers,
                              const std::string& clamped);
  /// Adds the integers, scale and zero point of a bias, by the names ONNX Runtime gives them.
  void add_bias(const BiasPlan& bias);

  /// Drops what nothing reads, signs the model, orders its nodes, and hands it out.
  Model finish(bool keep_unused_constants = false);
  /// Of the body of a node: constants that nothing reads go with those of the graph around it, and
  /// nodes keep their order.
  Graph finish_body();

 private:
  [[nodiscard]] const Initializer& bias_source(const BiasPlan& bias) const;
  void replace_constant(const CorrectedConstant& corrected);
  void drop_unused_constants();
  void drop_stale_types();

  const QuantizationPlan& plan_;
  Model model_;
  std::unordered_map<std::string, const TensorPlan*> tensors_;
  std::unordered_map<std::string, std::size_t> constants_;  // name → index
  std::unordered_set<std::string> removed_;
};

/// The order in which ONNX Runtime's quantizer saves nodes: breadth first, from the nodes that read
/// only initializers and inputs, these taken in the order of their names.
void order_breadth_first(Graph& graph);

}  // namespace planish::quantize_detail
