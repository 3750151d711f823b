// Nodes that change nothing.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "optimize/rewrite.h"
#include "planish/optimize/passes.h"

namespace planish {
namespace {

using rewrite::constant_ints;
using rewrite::dtype_of;
using rewrite::normalized_axis;
using rewrite::shape_of;

struct Context {
  const Node& node;
  const GraphIndex& index;
  std::int64_t opset = 0;

  /// Bounds or pads, which later opsets give as inputs and earlier ones as an attribute.
  [[nodiscard]] std::optional<std::vector<std::int64_t>> ints(std::size_t input,
                                                              std::string_view attribute) const {
    if (!node.input(input).empty()) return constant_ints(index, node.input(input));
    if (node.find_attribute(attribute) == nullptr) return std::nullopt;
    return node.ints_attribute(attribute);
  }
};

bool always(const Context&) { return true; }

/// Training needs the third input (opset 12); before opset 7 an attribute says.
bool is_inference_dropout(const Context& c) {
  if (c.opset < 7) return false;
  const bool mask_is_read =
      !c.node.output(1).empty() &&
      (!c.index.uses(c.node.output(1)).empty() || c.index.is_graph_output(c.node.output(1)));
  if (mask_is_read) return false;
  if (c.node.input(2).empty()) return true;
  const Initializer* training = c.index.constant(c.node.input(2));
  return training != nullptr && training->value.dtype() == DType::kBool &&
         training->value.element_count() == 1 && training->value.bytes()[0] == std::byte{0};
}

bool casts_to_its_own_type(const Context& c) {
  const auto from = dtype_of(c.index, c.node.input(0));
  return from && static_cast<std::int64_t>(*from) == c.node.int_attribute("to", 0);
}

bool keeps_order(const Context& c) {
  const auto perm = c.node.ints_attribute("perm");
  for (std::size_t i = 0; i < perm.size(); ++i) {
    if (perm[i] != static_cast<std::int64_t>(i)) return false;
  }
  return !perm.empty();  // without perm, Transpose reverses
}

bool pads_nothing(const Context& c) {
  const auto pads = c.ints(1, "pads");
  return pads && std::ranges::all_of(*pads, [](std::int64_t pad) { return pad == 0; });
}

bool equal_dims(const Dim& a, const Dim& b) {
  if (a.number()) return a.number() == b.number();
  return a.symbol() && a.symbol() == b.symbol();
}

/// Dimensions that are not known to be equal; nothing when ranks differ or are not known.
std::optional<std::size_t> open_dims(const Context& c) {
  const auto before = shape_of(c.index, c.node.input(0));
  const auto after = shape_of(c.index, c.node.output(0));
  if (!before || !after || before->size() != after->size()) return std::nullopt;
  std::size_t open = 0;
  for (std::size_t i = 0; i < before->size(); ++i) {
    if ((*before)[i].number() == 0) return std::nullopt;  // says nothing of the others
    if (!equal_dims((*before)[i], (*after)[i])) ++open;
  }
  return open;
}

/// The number of elements stays, so that all dimensions but one being equal makes that one equal.
bool reshapes_to_the_same(const Context& c) {
  const auto open = open_dims(c);
  return open && *open <= 1;
}

bool expands_to_the_same(const Context& c) { return open_dims(c) == 0U; }

bool slices_everything(const Context& c) {
  const auto starts = c.ints(1, "starts");
  const auto ends = c.ints(2, "ends");
  const auto given_axes = c.ints(3, "axes");
  const auto given_steps = c.ints(4, "steps");
  const auto unknown = [&](std::size_t input, const auto& value) {
    return !c.node.input(input).empty() && !value;
  };
  if (!starts || !ends || starts->size() != ends->size() || unknown(3, given_axes) ||
      unknown(4, given_steps)) {
    return false;
  }
  const auto shape = shape_of(c.index, c.node.input(0));
  for (std::size_t i = 0; i < starts->size(); ++i) {
    if (given_steps && (i >= given_steps->size() || (*given_steps)[i] != 1)) return false;
    if ((*starts)[i] != 0) return false;
    if ((*ends)[i] >= std::numeric_limits<std::int32_t>::max()) continue;  // "to the end"
    const std::int64_t axis =
        given_axes && i < given_axes->size() ? (*given_axes)[i] : static_cast<std::int64_t>(i);
    const auto at = shape ? normalized_axis(axis, shape->size()) : std::nullopt;
    const auto size = at ? (*shape)[*at].number() : std::nullopt;
    if (!size || (*ends)[i] < *size) return false;
  }
  return true;
}

bool has_one_operand(const Context& c) { return c.node.inputs.size() == 1; }

bool clips_nothing(const Context& c) {
  return c.node.input(1).empty() && c.node.input(2).empty() &&
         c.node.find_attribute("min") == nullptr && c.node.find_attribute("max") == nullptr;
}

struct Rule {
  std::string_view op_type = {};
  bool (*is_no_op)(const Context&) = nullptr;
};
constexpr std::array kRules{
    Rule{"Cast", casts_to_its_own_type},
    Rule{"Clip", clips_nothing},
    Rule{"Concat", has_one_operand},
    Rule{"Dropout", is_inference_dropout},
    Rule{"Expand", expands_to_the_same},
    Rule{"Flatten", reshapes_to_the_same},
    Rule{"Identity", always},
    Rule{"Max", has_one_operand},
    Rule{"Mean", has_one_operand},
    Rule{"Min", has_one_operand},
    Rule{"Pad", pads_nothing},
    Rule{"Reshape", reshapes_to_the_same},
    Rule{"Slice", slices_everything},
    Rule{"Sum", has_one_operand},
    Rule{"Transpose", keeps_order},
};

}  // namespace

PassReport remove_no_ops(Model& model, const OptimizeConfig&) {
  PassReport report{.pass = "no-ops"};
  Graph& graph = model.graph;
  std::vector<std::size_t> found;
  {
    const GraphIndex index(graph);
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
      const Node& node = graph.nodes[i];
      const auto rule = std::ranges::find(kRules, node.op_type, &Rule::op_type);
      const bool applies = rule != kRules.end() && node.domain.empty() && !node.input(0).empty() &&
                           !node.output(0).empty();
      if (applies && rule->is_no_op(Context{node, index, model.opset()})) found.push_back(i);
    }
  }
  std::vector<std::string> labels;
  for (const Node& node : graph.nodes) labels.push_back(rewrite::label(node));
  for (const std::size_t i : rewrite::bypass(graph, found)) rewrite::record(report, labels[i]);
  return report;
}

}  // namespace planish
