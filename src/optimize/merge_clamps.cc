// Relu, Clip, Min and Max with constants all hold a value between two bounds: clamp(x, low, high).
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "optimize/rewrite.h"
#include "planish/optimize/passes.h"

namespace planish {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// y = min(max(x, low), high), low <= high, of input `data` of a node.
struct Clamp {
  float low = -kInfinity;
  float high = kInfinity;
  std::size_t data = 0;
};

/// Clip's defaults are the largest finite numbers; they bound nothing.
Clamp without_finite_extremes(Clamp clamp) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  if (clamp.low <= -kLargest) clamp.low = -kInfinity;
  if (clamp.high >= kLargest) clamp.high = kInfinity;
  return clamp;
}

/// Clip's bounds are inputs since opset 11, attributes before.
std::optional<Clamp> clamp_of_clip(const Node& node, const GraphIndex& index, std::int64_t opset) {
  Clamp clamp;
  if (opset < 11) {
    clamp.low = node.float_attribute("min", clamp.low);
    clamp.high = node.float_attribute("max", clamp.high);
  } else {
    const auto low = rewrite::constant_scalar(index, node.input(1));
    const auto high = rewrite::constant_scalar(index, node.input(2));
    if ((!low && !node.input(1).empty()) || (!high && !node.input(2).empty())) return std::nullopt;
    if (low) clamp.low = low->value;
    if (high) clamp.high = high->value;
  }
  return without_finite_extremes(clamp);
}

std::optional<Clamp> clamp_of_min_max(const Node& node, const GraphIndex& index) {
  if (node.inputs.size() != 2) return std::nullopt;
  const std::size_t constant = index.constant(node.input(1)) != nullptr ? 1 : 0;
  const std::size_t data = 1 - constant;
  const auto bound = rewrite::constant_scalar(index, node.input(constant));
  if (!bound || index.constant(node.input(data)) != nullptr) return std::nullopt;
  const auto shape = rewrite::shape_of(index, node.input(data));
  // A bound of shape [1, 1] would give a vector another rank.
  if (bound->rank > 0 && (!shape || shape->size() < bound->rank)) return std::nullopt;
  Clamp clamp{.data = data};
  (node.op_type == "Min" ? clamp.high : clamp.low) = bound->value;
  return clamp;
}

std::optional<Clamp> clamp_of(const Node& node, const GraphIndex& index, std::int64_t opset) {
  if (!node.domain.empty()) return std::nullopt;
  std::optional<Clamp> clamp;
  if (node.op_type == "Relu") clamp = Clamp{.low = 0};
  if (node.op_type == "Clip") clamp = clamp_of_clip(node, index, opset);
  if (node.op_type == "Min" || node.op_type == "Max") clamp = clamp_of_min_max(node, index);
  // A NaN fails the comparison too.
  if (clamp && !(clamp->low <= clamp->high)) return std::nullopt;
  return clamp;
}

/// `second` after `first`: again a clamp, to what `second` makes of the bounds of `first`.
Clamp composed(const Clamp& first, const Clamp& second) {
  return Clamp{.low = std::clamp(first.low, second.low, second.high),
               .high = std::clamp(first.high, second.low, second.high)};
}

/// What a node is to become.
struct Rewrite {
  std::size_t node = 0;
  std::string data;
  Clamp clamp;
};

/// Makes `node` the simplest operator that clamps.
void apply(const Rewrite& rewrite, Graph& graph, NameScope& names, std::int64_t opset) {
  Node& node = graph.nodes[rewrite.node];
  const Clamp& clamp = rewrite.clamp;
  node.inputs = {rewrite.data};
  node.attributes.clear();
  if (clamp.low == 0 && clamp.high == kInfinity) {
    node.op_type = "Relu";
    return;
  }
  node.op_type = "Clip";
  const auto bound = [&](float value, const char* name) {
    if (std::isinf(value)) return std::string();
    if (opset < 11) {
      node.set_attribute(name, value);
      return std::string();
    }
    return rewrite::add_initializer(graph, names, node.output(0) + "_" + name,
                                    Tensor::scalar(value));
  };
  const std::string low = bound(clamp.low, "min");
  const std::string high = bound(clamp.high, "max");
  if (!low.empty() || !high.empty()) node.inputs.push_back(low);
  if (!high.empty()) node.inputs.push_back(high);
}

/// The node as one clamp with the clamp before it, or as Relu; nothing when it stays.
std::optional<Rewrite> simpler(const Graph& graph, const GraphIndex& index, std::size_t i,
                               std::int64_t opset, std::optional<std::size_t>& before) {
  const Node& node = graph.nodes[i];
  const auto clamp = clamp_of(node, index, opset);
  if (!clamp) return std::nullopt;
  const std::string& data = node.input(clamp->data);
  const auto producer = index.producer(data);
  const auto first = producer ? clamp_of(graph.nodes[*producer], index, opset) : std::nullopt;
  if (first && index.has_single_use(data)) {
    before = producer;
    return Rewrite{i, graph.nodes[*producer].input(first->data), composed(*first, *clamp)};
  }
  const bool is_relu = clamp->low == 0 && clamp->high == kInfinity;
  if (is_relu && node.op_type != "Relu") return Rewrite{i, data, *clamp};
  return std::nullopt;
}

}  // namespace

PassReport merge_clamps(Model& model, const OptimizeConfig&) {
  PassReport report{.pass = "clamps"};
  Graph& graph = model.graph;
  for (bool changed = true; changed;) {
    changed = false;
    std::vector<bool> doomed(graph.nodes.size(), false);
    std::vector<Rewrite> rewrites;
    {
      const GraphIndex index(graph);
      std::vector<bool> touched(graph.nodes.size(), false);
      for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        std::optional<std::size_t> before;
        auto rewrite = simpler(graph, index, i, model.opset(), before);
        // What this sweep touches waits for the next: the index is of before.
        if (!rewrite || touched[i] || (before && touched[*before])) continue;
        touched[i] = true;
        if (before) doomed[*before] = touched[*before] = true;
        rewrites.push_back(std::move(*rewrite));
      }
    }
    NameScope names(graph);
    for (const Rewrite& rewrite : rewrites) {
      rewrite::record(report, rewrite::label(graph.nodes[rewrite.node]) + " is clamp(" +
                                  std::to_string(rewrite.clamp.low) + ", " +
                                  std::to_string(rewrite.clamp.high) + ")");
      apply(rewrite, graph, names, model.opset());
      changed = true;
    }
    rewrite::erase_nodes(graph, doomed);
  }
  return report;
}

}  // namespace planish
