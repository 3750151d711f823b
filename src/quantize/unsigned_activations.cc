#include "quantize/unsigned_activations.h"

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "planish/graph/graph_index.h"
#include "quantize/integer_ops.h"
#include "quantize/rewriter.h"

namespace planish::quantize_detail {
namespace {

constexpr std::int64_t kOffset = 128;  // of u8 against s8
constexpr auto kOnnxInt8 = static_cast<std::int64_t>(DType::kInt8);

Tensor shifted(const Tensor& integers) {
  std::vector<std::uint8_t> values;
  values.reserve(integers.element_count());
  for (const std::int8_t value : integers.values<std::int8_t>()) {
    values.push_back(static_cast<std::uint8_t>(value + kOffset));
  }
  return Tensor::of(integers.dims(), values);
}

/// Which values are s8 activations, and which nodes can take them as u8.
class SignedValues {
 public:
  explicit SignedValues(const Graph& graph) : graph_(graph), index_(graph) {
    // A constant that a caller could override counts as fixed, as everywhere in the quantizer.
    for (const Initializer& initializer : graph.initializers) {
      constants_.emplace(initializer.name, &initializer.value);
    }
    for (const ValueInfo& input : graph.inputs) {
      if (constant(input.name) == nullptr && is_declared_signed(input.name))
        values_.insert(input.name);
    }
    for (const Node& node : graph.nodes) flips_.push_back(visit(node));
  }

  /// Whether node i is rewritten.
  [[nodiscard]] bool flips(std::size_t i) const { return flips_[i]; }
  [[nodiscard]] const std::unordered_set<std::string>& values() const { return values_; }
  [[nodiscard]] const GraphIndex& index() const { return index_; }

  [[nodiscard]] const Tensor* constant(const std::string& name) const {
    const auto found = constants_.find(name);
    return found == constants_.end() ? nullptr : found->second;
  }

  /// QGemm without an output scale writes floats.
  [[nodiscard]] static bool writes_integers(const Node& node, const IntegerOp& op) {
    return op.kind != IntegerKind::kReads && (node.op_type != "QGemm" || !node.input(7).empty());
  }

  /// A constant that stays s8.
  [[nodiscard]] bool is_weight(const Node& node, const IntegerInput& input) const {
    if (constant(node.input(static_cast<std::size_t>(input.data))) == nullptr) return false;
    return input.may_be_weight ||
           (node.op_type == "DequantizeLinear" && is_read_as_weight(node.output(0)));
  }

 private:
  [[nodiscard]] bool is_declared_signed(const std::string& value) const {
    const ValueType* type = index_.type(value);
    return type != nullptr && type->tensor() != nullptr && type->tensor()->dtype == DType::kInt8;
  }

  [[nodiscard]] bool is_signed_constant(const std::string& name) const {
    const Tensor* tensor = constant(name);
    return tensor != nullptr && tensor->dtype() == DType::kInt8;
  }

  /// Whether a matrix operator reads `value` as its weight, perhaps behind movers.
  [[nodiscard]] bool is_read_as_weight(const std::string& value) const {
    std::vector<std::string> pending{value};
    while (!pending.empty()) {
      const std::string next = std::move(pending.back());
      pending.pop_back();
      for (const Use& use : index_.uses(next)) {
        if (use.input == Use::kBySubgraph) continue;
        const Node& reader = graph_.nodes[use.node];
        const bool is_matrix = reader.op_type == "Conv" || reader.op_type == "ConvTranspose" ||
                               reader.op_type == "MatMul" || reader.op_type == "Gemm";
        if (is_matrix && use.input == 1) return true;
        const IntegerOp* op = find_integer_op(reader);
        if (op != nullptr && op->kind == IntegerKind::kMoves) pending.push_back(reader.output(0));
      }
    }
    return false;
  }

  /// The zero point is s8, or is absent (0) and can be written down as one number.
  [[nodiscard]] bool has_plain_zero_point(const Node& node, int input) const {
    if (input == kNone) return true;
    const std::string& name = node.input(static_cast<std::size_t>(input));
    if (!name.empty()) return is_signed_constant(name);
    if (node.op_type != "QuantizeLinear" && node.op_type != "DequantizeLinear") return true;
    const Tensor* scale = constant(node.input(1));  // others have one scale for a tensor
    return scale != nullptr && scale->element_count() == 1;
  }

  [[nodiscard]] bool makes_signed(const Node& node, const IntegerOp& op) const {
    const std::string& zero = node.input(static_cast<std::size_t>(op.output_zero_point));
    if (!zero.empty()) return is_signed_constant(zero);
    return node.op_type == "QuantizeLinear" && node.int_attribute("output_dtype", 0) == kOnnxInt8 &&
           has_plain_zero_point(node, op.output_zero_point);
  }

  bool visit(const Node& node) {
    const IntegerOp* op = find_integer_op(node);
    const bool flips = op != nullptr && can_flip(node, *op);
    for (const std::string& output : node.outputs) {
      const bool is_signed = flips
                                 ? writes_integers(node, *op) &&
                                       (&output == &node.outputs.front() || node.op_type == "Split")
                                 : is_declared_signed(output);
      if (is_signed && !output.empty()) values_.insert(output);
    }
    return flips;
  }

  /// Whether all of its 8-bit data is signed, and can be made unsigned.
  bool can_flip(const Node& node, const IntegerOp& op) {
    const bool makes = op.kind == IntegerKind::kMakes && writes_integers(node, op);
    if (makes && !makes_signed(node, op)) return false;
    bool any = makes;
    for (const IntegerInput& input : integer_inputs(op, node)) {
      if (is_weight(node, input)) continue;
      const std::string& data = node.input(static_cast<std::size_t>(input.data));
      const bool has_zero_point =
          input.zero_point != kNone &&
          is_signed_constant(node.input(static_cast<std::size_t>(input.zero_point)));
      const bool is_signed = values_.contains(data) || is_signed_constant(data) || has_zero_point;
      if (!is_signed || !has_plain_zero_point(node, input.zero_point)) return false;
      if (constant(data) == nullptr) values_.insert(data);
      any = true;
    }
    return any && (node.op_type != "Pad" || pads_with_constant(node));
  }

  /// Since opset 11 the value is an input, which can be 128 where it was 0.
  [[nodiscard]] bool pads_with_constant(const Node& node) const {
    const std::string& value = node.input(2);
    return node.inputs.size() > 1 && (value.empty() || is_signed_constant(value));
  }

  const Graph& graph_;
  GraphIndex index_;
  std::unordered_map<std::string, const Tensor*> constants_;
  std::unordered_set<std::string> values_;
  std::vector<bool> flips_;
};

class Unsigner {
 public:
  explicit Unsigner(Model& model) : graph_(model.graph), signed_(model.graph), names_(model.graph) {
    for (const std::string& value : signed_.values()) uses_.emplace(value, uses_of(value));
  }

  UnsignedCounts run() {
    std::vector<Node> nodes;
    for (const ValueInfo& input : graph_.inputs) {
      if (uses_.contains(input.name)) convert(input.name, nodes);
    }
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const std::vector<std::string> outputs = graph_.nodes[i].outputs;
      nodes.push_back(signed_.flips(i) ? unsigned_node(graph_.nodes[i]) : graph_.nodes[i]);
      for (const std::string& output : outputs) {
        if (uses_.contains(output)) convert(output, nodes);
      }
    }
    graph_.nodes = std::move(nodes);
    for (ValueInfo& value : graph_.values) declare_unsigned(value);
    add_constants();
    return counts_;
  }

 private:
  /// Who makes and reads an s8 value; and its name as u8.
  struct Uses {
    bool made_unsigned = false;
    bool read_signed = false;
    bool read_unsigned = false;
    std::string unsigned_name = {};
  };

  Uses uses_of(const std::string& value) {
    Uses uses;
    const auto producer = signed_.index().producer(value);
    uses.made_unsigned = producer && signed_.flips(*producer);
    uses.read_signed = signed_.index().is_graph_output(value);
    for (const Use& use : signed_.index().uses(value)) {
      (reads_as_data(use) ? uses.read_unsigned : uses.read_signed) = true;
    }
    const bool keeps_name = uses.made_unsigned && !uses.read_signed;
    uses.unsigned_name = keeps_name ? value : names_.fresh(value + "_u8");
    if (uses.made_unsigned || uses.read_unsigned) ++counts_.values;
    return uses;
  }

  [[nodiscard]] bool reads_as_data(const Use& use) const {
    if (use.input == Use::kBySubgraph || !signed_.flips(use.node)) return false;
    const Node& node = graph_.nodes[use.node];
    return std::ranges::any_of(integer_inputs(*find_integer_op(node), node),
                               [&](const IntegerInput& input) {
                                 return use.input == static_cast<std::size_t>(input.data);
                               });
  }

  [[nodiscard]] std::string unsigned_name(const std::string& value) const {
    const auto found = uses_.find(value);
    return found == uses_.end() ? value : found->second.unsigned_name;
  }

  Node unsigned_node(const Node& original) {
    Node node = original;
    const IntegerOp& op = *find_integer_op(original);
    for (const IntegerInput& input : integer_inputs(op, original)) {
      if (signed_.is_weight(original, input)) continue;
      std::string& data = node.inputs[static_cast<std::size_t>(input.data)];
      data = signed_.constant(data) != nullptr ? shifted_constant(data) : unsigned_name(data);
      if (input.zero_point != kNone) shift_zero_point(node, input.zero_point);
    }
    if (op.kind == IntegerKind::kMakes && SignedValues::writes_integers(original, op)) {
      shift_zero_point(node, op.output_zero_point);
      node.remove_attribute("output_dtype");
    }
    if (node.op_type == "Pad" && node.string_attribute("mode", "constant") == "constant")
      shift_zero_point(node, 2);
    for (std::string& output : node.outputs) output = unsigned_name(output);
    return node;
  }

  void shift_zero_point(Node& node, int input) {
    const auto at = static_cast<std::size_t>(input);
    if (node.inputs.size() <= at) node.inputs.resize(at + 1);
    node.inputs[at] = node.inputs[at].empty() ? zero() : shifted_constant(node.inputs[at]);
  }

  /// Behind where `value` comes to be: the other of its two forms, where that is read.
  void convert(const std::string& value, std::vector<Node>& nodes) {
    const Uses& uses = uses_.at(value);
    const bool is_missing = uses.made_unsigned ? uses.read_signed : uses.read_unsigned;
    if (!is_missing) return;
    const std::string from = uses.made_unsigned ? uses.unsigned_name : value;
    const std::string to = uses.made_unsigned ? value : uses.unsigned_name;
    // n becomes the float n and then n again: exact, whatever the real scale is.
    const std::string floats = names_.fresh(value + "_integers");
    nodes.push_back(make_node("DequantizeLinear",
                              {from, one(), uses.made_unsigned ? zero() : signed_zero()}, {floats},
                              names_.fresh(floats + "_DequantizeLinear")));
    nodes.push_back(make_node("QuantizeLinear",
                              {floats, one(), uses.made_unsigned ? signed_zero() : zero()}, {to},
                              names_.fresh(floats + "_QuantizeLinear")));
    ++counts_.conversions;
  }

  void declare_unsigned(ValueInfo& value) const {
    const auto uses = uses_.find(value.name);
    auto* tensor = std::get_if<TensorType>(&value.type.type);
    if (uses == uses_.end() || tensor == nullptr) return;
    if (uses->second.made_unsigned && !uses->second.read_signed) tensor->dtype = DType::kUInt8;
  }

  // --- constants ---------------------------------------------------------------------------------

  std::string constant(const std::string& key, const std::string& wish, Tensor value) {
    const auto known = constants_.find(key);
    if (known != constants_.end()) return known->second;
    Initializer initializer;
    initializer.name = names_.fresh(wish);
    initializer.value = std::move(value);
    added_.push_back(std::move(initializer));
    return constants_.emplace(key, added_.back().name).first->second;
  }

  std::string shifted_constant(const std::string& name) {
    if (!constants_.contains(name)) ++counts_.constants;
    return constant(name, name + "_u8", shifted(*signed_.constant(name)));
  }
  // Keys that are no names of constants: names are not empty.
  std::string zero() {
    return constant("", "zero_point_u8", Tensor::scalar<std::uint8_t>(kOffset));
  }
  std::string signed_zero() {
    if (signed_zero_.empty())
      signed_zero_ = constant(names_.fresh("s8"), "zero_point_s8", Tensor::scalar<std::int8_t>(0));
    return signed_zero_;
  }
  std::string one() {
    if (one_.empty()) one_ = constant(names_.fresh("one"), "scale_one", Tensor::scalar(1.0F));
    return one_;
  }

  /// Adds what is new, and drops what only its unsigned form is read of.
  void add_constants() {
    const GraphIndex index(graph_);
    std::erase_if(graph_.initializers, [&](const Initializer& initializer) {
      return constants_.contains(initializer.name) && index.uses(initializer.name).empty() &&
             !index.is_graph_output(initializer.name) && !index.is_graph_input(initializer.name);
    });
    std::ranges::move(added_, std::back_inserter(graph_.initializers));
  }

  Graph& graph_;
  SignedValues signed_;
  NameScope names_;
  UnsignedCounts counts_;
  std::unordered_map<std::string, Uses> uses_;              // by s8 value
  std::unordered_map<std::string, std::string> constants_;  // constant → its unsigned form
  std::vector<Initializer> added_;
  std::string one_;
  std::string signed_zero_;
};

}  // namespace

bool has_signed_activations(const Model& model) {
  const SignedValues values(model.graph);
  for (std::size_t i = 0; i < model.graph.nodes.size(); ++i) {
    if (values.flips(i)) return true;
  }
  return false;
}

UnsignedCounts make_activations_unsigned(Model& model) {
  if (!has_signed_activations(model)) return {};
  return Unsigner(model).run();
}

}  // namespace planish::quantize_detail
