#include "quantize/conversion_costs.h"

#include <algorithm>
#include <set>

namespace planish::quantize_detail {
namespace {

double saving_of(std::string_view op_type) {
  const auto found = std::ranges::find(kKernelSavings, op_type, &KernelSaving::op_type);
  return found == kKernelSavings.end() ? 0.0 : found->time;
}

/// Operators that only move elements, at the same price on floats and on integers.
bool only_moves(const Node& node) {
  return node.is("Reshape") || node.is("Transpose") || node.is("Flatten") || node.is("Squeeze") ||
         node.is("Unsqueeze");
}

}  // namespace

std::optional<double> ConversionCosts::loss_of(std::size_t i, std::vector<bool> on_integers) const {
  const Node& node = graph_.nodes[i];
  std::set<std::string> values(node.outputs.begin(), node.outputs.end());
  for (const std::string& input : node.inputs) {
    if (facts_.is_float(input) && facts_.constant(input) == nullptr) values.insert(input);
  }
  values.erase("");
  double largest = 0.0;
  double loss = 0.0;
  for (const std::string& value : values) {
    const auto size = elements(value);
    if (!size) return std::nullopt;
    largest = std::max(largest, *size);
    on_integers[i] = true;
    loss += *size * conversions(value, on_integers);
    on_integers[i] = false;
    loss -= *size * conversions(value, on_integers);
  }
  return loss - largest * saving_of(node.op_type);
}

std::optional<double> ConversionCosts::elements(const std::string& value) const {
  const ValueType* type = facts_.index().type(value);
  const TensorType* tensor = type == nullptr ? nullptr : type->tensor();
  if (tensor == nullptr || !tensor->shape) return std::nullopt;
  double product = 1.0;
  for (const Dim& dim : *tensor->shape) product *= static_cast<double>(dim.number().value_or(1));
  return product;
}

double ConversionCosts::conversions(const std::string& value,
                                    const std::vector<bool>& on_integers) const {
  const GraphIndex& index = facts_.index();
  bool floats_read = index.is_graph_output(value);
  bool integers_read = false;
  for (const Use& use : index.uses(value)) {
    const bool as_integers = use.input != Use::kBySubgraph && on_integers[use.node];
    (as_integers ? integers_read : floats_read) = true;
  }
  const auto maker = index.producer(value);
  if (!maker || !on_integers[*maker]) return integers_read ? kQuantizeTime : 0.0;
  if (!floats_read || (!integers_read && may_be_floats(*maker))) return 0.0;
  return kDequantizeTime;
}

bool ConversionCosts::may_be_floats(std::size_t maker) const {
  const GraphIndex& index = facts_.index();
  while (only_moves(graph_.nodes[maker])) {
    const std::string& moved = graph_.nodes[maker].input(0);
    const auto before = index.producer(moved);
    if (!before || !index.has_single_use(moved)) return false;
    maker = *before;
  }
  return graph_.nodes[maker].is("MatMul") || graph_.nodes[maker].is("Gemm");
}

}  // namespace planish::quantize_detail
