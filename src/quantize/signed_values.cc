#include "quantize/signed_values.h"

#include <cstdint>
#include <utility>

namespace planish::quantize_detail {
namespace {

constexpr auto kOnnxInt8 = static_cast<std::int64_t>(DType::kInt8);

const std::string& input_at(const Node& node, int input) {
  return node.input(static_cast<std::size_t>(input));
}

bool is_matrix_operator(const Node& node) {
  return node.op_type == "Conv" || node.op_type == "ConvTranspose" || node.op_type == "MatMul" ||
         node.op_type == "Gemm";
}

}  // namespace

bool writes_integers(const Node& node, const IntegerOp& op) {
  return op.kind != IntegerKind::kReads && (node.op_type != "QGemm" || !node.input(7).empty());
}

SignedValues::SignedValues(const Graph& graph) : graph_(graph), index_(graph) {
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

const Tensor* SignedValues::constant(const std::string& name) const {
  const auto found = constants_.find(name);
  return found == constants_.end() ? nullptr : found->second;
}

bool SignedValues::is_weight(const Node& node, const IntegerInput& input) const {
  if (constant(input_at(node, input.data)) == nullptr) return false;
  return input.may_be_weight ||
         (node.op_type == "DequantizeLinear" && is_read_as_weight(node.output(0)));
}

bool SignedValues::is_declared_signed(const std::string& value) const {
  const ValueType* type = index_.type(value);
  return type != nullptr && type->tensor() != nullptr && type->tensor()->dtype == DType::kInt8;
}

bool SignedValues::is_signed_constant(const std::string& name) const {
  const Tensor* tensor = constant(name);
  return tensor != nullptr && tensor->dtype() == DType::kInt8;
}

/// Whether a matrix operator reads `value` as its weight, perhaps behind operators that move it.
bool SignedValues::is_read_as_weight(const std::string& value) const {
  std::vector<std::string> pending{value};
  std::unordered_set<std::string> seen;
  while (!pending.empty()) {
    const std::string next = std::move(pending.back());
    pending.pop_back();
    if (!seen.insert(next).second) continue;
    for (const Use& use : index_.uses(next)) {
      if (use.input == Use::kBySubgraph) continue;
      const Node& reader = graph_.nodes[use.node];
      if (is_matrix_operator(reader) && use.input == 1) return true;
      const IntegerOp* op = find_integer_op(reader);
      if (op != nullptr && op->kind == IntegerKind::kMoves) pending.push_back(reader.output(0));
    }
  }
  return false;
}

/// The zero point is s8, or is absent (0) and can be written down as one number.
bool SignedValues::has_plain_zero_point(const Node& node, int input) const {
  if (input == kNone) return true;
  const std::string& name = input_at(node, input);
  if (!name.empty()) return is_signed_constant(name);
  if (node.op_type != "QuantizeLinear" && node.op_type != "DequantizeLinear") return true;
  const Tensor* scale = constant(node.input(1));  // the others have one scale for a tensor
  return scale != nullptr && scale->element_count() == 1;
}

bool SignedValues::makes_signed(const Node& node, const IntegerOp& op) const {
  const std::string& zero = input_at(node, op.output_zero_point);
  if (!zero.empty()) return is_signed_constant(zero);
  return node.op_type == "QuantizeLinear" && node.int_attribute("output_dtype", 0) == kOnnxInt8 &&
         has_plain_zero_point(node, op.output_zero_point);
}

/// Since opset 11 the value is an input, which can be 128 where it was 0.
bool SignedValues::pads_with_constant(const Node& node) const {
  const std::string& value = node.input(2);
  return node.inputs.size() > 1 && (value.empty() || is_signed_constant(value));
}

/// Takes note of the s8 outputs of `node`; says whether it flips.
bool SignedValues::visit(const Node& node) {
  const IntegerOp* op = find_integer_op(node);
  const bool flips = op != nullptr && can_flip(node, *op);
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    // MaxPool's second output is of indices.
    const bool is_integers =
        flips && writes_integers(node, *op) && (i == 0 || node.op_type == "Split");
    const bool is_signed = flips ? is_integers : is_declared_signed(node.outputs[i]);
    if (is_signed && !node.outputs[i].empty()) values_.insert(node.outputs[i]);
  }
  return flips;
}

/// Whether all of the 8-bit data of `node` is signed, and can be made unsigned.
bool SignedValues::can_flip(const Node& node, const IntegerOp& op) {
  const bool makes = op.kind == IntegerKind::kMakes && writes_integers(node, op);
  if (makes && !makes_signed(node, op)) return false;
  bool any = makes;
  for (const IntegerInput& input : integer_inputs(op, node)) {
    if (is_weight(node, input)) continue;
    const std::string& data = input_at(node, input.data);
    const bool has_signed_zero =
        input.zero_point != kNone && is_signed_constant(input_at(node, input.zero_point));
    const bool is_signed = values_.contains(data) || is_signed_constant(data) || has_signed_zero;
    if (!is_signed || !has_plain_zero_point(node, input.zero_point)) return false;
    if (constant(data) == nullptr) values_.insert(data);
    any = true;
  }
  return any && (node.op_type != "Pad" || pads_with_constant(node));
}

}  // namespace planish::quantize_detail
