#include "quantize/unsigned_activations.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "planish/graph/graph_index.h"
#include "quantize/rewriter.h"
#include "quantize/signed_values.h"

namespace planish::quantize_detail {
namespace {

constexpr std::int64_t kOffset = 128;  // of u8 against s8

Tensor shifted(const Tensor& integers) {
  std::vector<std::uint8_t> values;
  values.reserve(integers.element_count());
  for (const std::int8_t value : integers.values<std::int8_t>()) {
    values.push_back(static_cast<std::uint8_t>(value + kOffset));
  }
  return Tensor::of(integers.dims(), values);
}

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
    if (op.kind == IntegerKind::kMakes && writes_integers(original, op)) {
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
