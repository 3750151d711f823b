// HardSigmoid, however an exporter spells it. HardSwish is x * HardSigmoid(x), and both are written
// as clamps: clip(x + 3, 0, 6) / 6. As one operator they have a form on integers that costs nothing
// (quantize/hard_sigmoid.h); as a chain each link is a pass over memory.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "optimize/rewrite.h"
#include "planish/optimize/passes.h"

namespace planish {
namespace {

/// 1/6 and 6 as exporters round them: their product is 1 to a few units in the last place.
constexpr double kSameConstant = 8 * kFloatRounding;

bool is_float32(const GraphIndex& index, const std::string& value) {
  return rewrite::dtype_of(index, value) == DType::kFloat32;
}

/// `node` as value (op) constant, with the value's input first: Add, Sub, Mul, Div of a scalar.
struct ByConstant {
  std::string data = {};
  double constant = 0;
};
std::optional<ByConstant> by_constant(const Node& node, const GraphIndex& index,
                                      std::string_view op) {
  if (!node.is(op) || node.inputs.size() != 2) return std::nullopt;
  const bool commutes = op == "Add" || op == "Mul";
  for (const std::size_t k : {1U, 0U}) {
    if (k == 0 && !commutes) continue;
    const auto constant = rewrite::constant_scalar(index, node.input(k));
    const auto shape = rewrite::shape_of(index, node.input(1 - k));
    if (!constant || index.constant(node.input(1 - k)) != nullptr) continue;
    // A constant of shape [1, 1] would give a vector another rank.
    if (constant->rank > 0 && (!shape || shape->size() < constant->rank)) continue;
    if (!std::isfinite(constant->value)) continue;
    return ByConstant{node.input(1 - k), constant->value};
  }
  return std::nullopt;
}

const Node* producer(const Graph& graph, const GraphIndex& index, const std::string& value) {
  const auto node = index.producer(value);
  return node ? &graph.nodes[*node] : nullptr;
}

/// slope * data + offset.
struct Line {
  std::string data = {};
  double slope = 1;
  double offset = 0;
};

/// What `value` is made of: an Add (or Sub) of a constant, and a Mul (or Div) by one before it.
std::optional<Line> line_before(const Graph& graph, const GraphIndex& index,
                                const std::string& value) {
  const Node* shift = producer(graph, index, value);
  if (shift == nullptr || !index.has_single_use(value)) return std::nullopt;
  Line line;
  if (const auto add = by_constant(*shift, index, "Add")) {
    line = {.data = add->data, .offset = add->constant};
  } else if (const auto sub = by_constant(*shift, index, "Sub")) {
    line = {.data = sub->data, .offset = -sub->constant};
  } else {
    return std::nullopt;
  }
  const Node* scale = producer(graph, index, line.data);
  if (scale == nullptr || !index.has_single_use(line.data)) return line;
  if (const auto mul = by_constant(*scale, index, "Mul")) {
    line.data = mul->data;
    line.slope = mul->constant;
  } else if (const auto div = by_constant(*scale, index, "Div"); div && div->constant != 0) {
    line.data = div->data;
    line.slope = 1 / div->constant;
  }
  return line;
}

/// The upper bound of a Clip between 0 and a positive constant.
std::optional<double> bound_from_zero(const Node& clip, const GraphIndex& index,
                                      std::int64_t opset) {
  if (!clip.is("Clip")) return std::nullopt;
  if (opset < 11) {
    const float high = clip.float_attribute("max", 0.0F);
    const bool from_zero = clip.float_attribute("min", -1.0F) == 0.0F;
    return from_zero && std::isfinite(high) && high > 0 ? std::optional<double>(high)
                                                        : std::nullopt;
  }
  const auto low = rewrite::constant_scalar(index, clip.input(1));
  const auto high = rewrite::constant_scalar(index, clip.input(2));
  if (!low || !high || low->value != 0 || !std::isfinite(high->value) || high->value <= 0)
    return std::nullopt;
  return high->value;
}

/// Whether `node` divides its data by `divisor`.
bool divides_by(const Node& node, const GraphIndex& index, double divisor) {
  const auto close = [](double value) { return std::abs(value - 1) <= kSameConstant; };
  if (const auto div = by_constant(node, index, "Div")) return close(div->constant / divisor);
  const auto mul = by_constant(node, index, "Mul");
  return mul && close(mul->constant * divisor);
}

/// The only node that reads `value`, by index.
std::optional<std::size_t> only_reader(const GraphIndex& index, const std::string& value) {
  if (!index.has_single_use(value)) return std::nullopt;
  return index.uses(value).front().node;
}

/// A chain that is a HardSigmoid: `clip` becomes it; `product` (when there is one) and then
/// `divider` (when the clip does not end at 1) follow.
struct Chain {
  std::size_t clip = 0;
  std::string data = {};
  double alpha = 0;
  double beta = 0;
  std::optional<std::size_t> product = {};
  std::optional<std::size_t> divider = {};
};

std::optional<Chain> chain_at(const Graph& graph, const GraphIndex& index, std::size_t i,
                              std::int64_t opset) {
  const Node& clip = graph.nodes[i];
  const auto high = bound_from_zero(clip, index, opset);
  if (!high) return std::nullopt;
  const auto line = line_before(graph, index, clip.input(0));
  if (!line || line->slope <= 0 || line->offset <= 0 || !is_float32(index, line->data))
    return std::nullopt;
  Chain chain{
      .clip = i, .data = line->data, .alpha = line->slope / *high, .beta = line->offset / *high};
  if (*high == 1) return chain;
  chain.divider = only_reader(index, clip.output(0));
  if (!chain.divider) return std::nullopt;
  if (divides_by(graph.nodes[*chain.divider], index, *high)) return chain;
  chain.product = chain.divider;
  const Node& product = graph.nodes[*chain.product];
  if (!product.is("Mul")) return std::nullopt;
  chain.divider = only_reader(index, product.output(0));
  if (!chain.divider || !divides_by(graph.nodes[*chain.divider], index, *high)) return std::nullopt;
  return chain;
}

Node hard_sigmoid(std::string name, std::string input, std::string output, double alpha,
                  double beta) {
  Node node;
  node.op_type = "HardSigmoid";
  node.name = std::move(name);
  node.inputs = {std::move(input)};
  node.outputs = {std::move(output)};
  node.set_attribute("alpha", static_cast<float>(alpha));
  node.set_attribute("beta", static_cast<float>(beta));
  return node;
}

/// Rewrites the chains that share no node; says whether there were any.
bool join_chains(Graph& graph, std::int64_t opset, PassReport& report) {
  std::vector<Chain> chains;
  {
    const GraphIndex index(graph);
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
      if (auto chain = chain_at(graph, index, i, opset)) chains.push_back(std::move(*chain));
    }
  }
  NameScope names(graph);
  std::vector<bool> doomed(graph.nodes.size(), false);
  for (const Chain& chain : chains) {
    Node& clip = graph.nodes[chain.clip];
    rewrite::record(report, rewrite::label(clip) + " ends a HardSigmoid");
    std::string output = clip.output(0);
    if (chain.divider) {
      Node& divider = graph.nodes[*chain.divider];
      if (chain.product) {
        Node& product = graph.nodes[*chain.product];
        const std::string gate = names.fresh(output + "_hard_sigmoid");
        std::ranges::replace(product.inputs, output, gate);
        product.outputs = divider.outputs;
        output = gate;
      } else {
        output = divider.output(0);
      }
      doomed[*chain.divider] = true;
    }
    clip = hard_sigmoid(clip.name, chain.data, output, chain.alpha, chain.beta);
  }
  rewrite::erase_nodes(graph, doomed);
  return !chains.empty();
}

/// HardSwish as ONNX defines it, and as ONNX Runtime runs it: x * HardSigmoid(x).
void split_hard_swishes(Graph& graph, PassReport& report) {
  const Graph before = graph;
  const GraphIndex index(before);
  NameScope names(graph);
  graph.nodes.clear();
  for (const Node& node : before.nodes) {
    if (!node.is("HardSwish") || !is_float32(index, node.input(0))) {
      graph.nodes.push_back(node);
      continue;
    }
    rewrite::record(report, rewrite::label(node) + " is x * HardSigmoid(x)");
    const std::string gate = names.fresh(node.output(0) + "_hard_sigmoid");
    graph.nodes.push_back(hard_sigmoid(node.name.empty() ? "" : node.name + "/HardSigmoid",
                                       node.input(0), gate, 1.0 / 6, 0.5));
    Node product = node;
    product.op_type = "Mul";
    product.inputs = {node.input(0), gate};
    graph.nodes.push_back(std::move(product));
  }
}

}  // namespace

PassReport find_hard_sigmoids(Model& model, const OptimizeConfig&) {
  PassReport report{.pass = "hard-sigmoids"};
  split_hard_swishes(model.graph, report);
  while (join_chains(model.graph, model.opset(), report)) {
  }
  return report;
}

}  // namespace planish
