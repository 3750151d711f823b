// A model as planish holds it: plain values, one member per field of ONNX.
//
// What a pass reads or writes is typed. What none does (training information, device
// configurations, fields of ONNX versions to come) is kept in `opaque`: the serialized remainder of
// the protobuf message, merged back on export. So import and export lose nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "planish/graph/box.h"
#include "planish/graph/shape.h"
#include "planish/graph/tensor.h"

namespace planish {

/// metadata_props, in file order. Keys are not unique in ONNX, so this is not a map.
/// (An entry with fields of a newer ONNX version is not here but in its parent's `opaque`.)
using Metadata = std::vector<std::pair<std::string, std::string>>;

/// A constant of a graph.
struct Initializer {
  std::string name = {};
  Tensor value = {};
  std::string doc_string = {};
  Metadata metadata = {};
  std::string opaque = {};
  friend bool operator==(const Initializer&, const Initializer&) = default;
};

/// A sparse constant: `values` [NNZ] at `indices` [NNZ] (linear) or [NNZ, rank] of a `dims` tensor.
struct SparseInitializer {
  Initializer values = {};
  Initializer indices = {};
  std::vector<std::int64_t> dims = {};
  std::string opaque = {};
  friend bool operator==(const SparseInitializer&, const SparseInitializer&) = default;
};

/// A graph input or output, or the type of a value between.
struct ValueInfo {
  std::string name = {};
  ValueType type = {};
  std::string doc_string = {};
  Metadata metadata = {};
  std::string opaque = {};
  friend bool operator==(const ValueInfo&, const ValueInfo&) = default;
};

struct Graph;

/// A named attribute of a node. The alternative says ONNX's AttributeType.
/// monostate: only `ref_attr_name` is set (inside a function body) or the type is `declared_type`.
struct Attribute {
  using Value =
      std::variant<std::monostate, float, std::int64_t, std::string, Box<Initializer>, Box<Graph>,
                   Box<SparseInitializer>, Box<ValueType>, std::vector<float>,
                   std::vector<std::int64_t>, std::vector<std::string>, std::vector<Initializer>,
                   std::vector<Graph>, std::vector<SparseInitializer>, std::vector<ValueType>>;
  std::string name = {};
  Value value;  // no "= {}": clang would need the complete Graph here
  std::string doc_string = {};
  std::string ref_attr_name = {};
  std::int32_t declared_type = 0;  // AttributeProto.type as written, used when value is monostate
  std::string opaque = {};
  /// Floats are compared by their bits, as tensors are (NaN equals the same NaN).
  friend bool operator==(const Attribute&, const Attribute&);
};

/// One application of an operator. An empty string among `inputs` or `outputs` is an omitted one.
struct Node {
  std::string op_type = {};
  std::vector<std::string> inputs = {};
  std::vector<std::string> outputs = {};
  std::string name = {};
  std::string domain = {};  // "" is ONNX's own ("ai.onnx" is read as "")
  std::vector<Attribute> attributes = {};
  std::string overload = {};
  std::string doc_string = {};
  Metadata metadata = {};
  std::string opaque = {};

  [[nodiscard]] const Attribute* find_attribute(std::string_view attribute) const;
  /// The attribute's value, or `fallback` when the node does not have it.
  /// @throws Error(kCorrupt) when it is there with another type.
  [[nodiscard]] std::int64_t int_attribute(std::string_view attribute, std::int64_t fallback) const;
  [[nodiscard]] float float_attribute(std::string_view attribute, float fallback) const;
  [[nodiscard]] std::string string_attribute(std::string_view attribute,
                                             std::string_view fallback) const;
  [[nodiscard]] std::vector<std::int64_t> ints_attribute(
      std::string_view attribute, std::vector<std::int64_t> fallback = {}) const;
  /// Replaces the attribute of that name (only its doc_string stays), or adds it.
  void set_attribute(std::string_view attribute, Attribute::Value value);
  /// Removes the attribute of that name; says whether it was there.
  bool remove_attribute(std::string_view attribute);

  /// Whether this is operator `op` of `op_domain` (ONNX's own by default).
  [[nodiscard]] bool is(std::string_view op, std::string_view op_domain = "") const {
    return op_type == op && domain == op_domain;
  }
  /// inputs[i], or "" when there are fewer.
  [[nodiscard]] const std::string& input(std::size_t i) const;
  [[nodiscard]] const std::string& output(std::size_t i) const;

  friend bool operator==(const Node&, const Node&);
};

/// TensorAnnotation: which tensors hold the scale and the zero point of `tensor_name`.
struct QuantizationAnnotation {
  std::string tensor_name = {};
  Metadata parameters = {};
  std::string opaque = {};
  friend bool operator==(const QuantizationAnnotation&, const QuantizationAnnotation&) = default;
};

/// Nodes in topological order, as ONNX demands; values are joined to nodes by name.
struct Graph {
  std::string name = {};
  std::vector<Node> nodes = {};
  std::vector<ValueInfo> inputs = {};
  std::vector<ValueInfo> outputs = {};
  std::vector<ValueInfo> values = {};  // value_info: types of values between
  std::vector<Initializer> initializers = {};
  std::vector<SparseInitializer> sparse_initializers = {};
  std::vector<QuantizationAnnotation> quantization_annotations = {};
  std::string doc_string = {};
  Metadata metadata = {};
  std::string opaque = {};
  friend bool operator==(const Graph&, const Graph&) = default;
};

struct OpsetImport {
  std::string domain = {};  // "" is ONNX's own
  std::int64_t version = 0;
  std::string opaque = {};
  friend bool operator==(const OpsetImport&, const OpsetImport&) = default;
};

/// A function of the model: an operator defined by nodes.
struct Function {
  std::string domain = {};
  std::string name = {};
  std::string overload = {};
  std::vector<std::string> inputs = {};
  std::vector<std::string> outputs = {};
  std::vector<std::string> attribute_names = {};
  std::vector<Attribute> attributes = {};  // attribute_proto: with default values
  std::vector<Node> nodes = {};
  std::vector<ValueInfo> values = {};
  std::vector<OpsetImport> opset_imports = {};
  std::string doc_string = {};
  Metadata metadata = {};
  std::string opaque = {};
  friend bool operator==(const Function&, const Function&) = default;
};

struct Model {
  std::int64_t ir_version = 8;
  std::vector<OpsetImport> opset_imports = {};
  std::string producer_name = {};
  std::string producer_version = {};
  std::string domain = {};
  std::int64_t model_version = 0;
  std::string doc_string = {};
  Graph graph = {};
  std::vector<Function> functions = {};
  Metadata metadata = {};
  std::string opaque = {};

  /// The imported version of `of_domain`; 0 when it is not imported.
  [[nodiscard]] std::int64_t opset(std::string_view of_domain = "") const;
  /// Imports `of_domain` at `version`, in place of what was imported.
  void set_opset(std::string_view of_domain, std::int64_t version);

  friend bool operator==(const Model&, const Model&) = default;
};

}  // namespace planish
