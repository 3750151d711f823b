// A mean over all of the image is a GlobalAveragePool, however an exporter spells it: that is the
// form for which runtimes have kernels on integers and on blocked layouts.
#include <algorithm>
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

/// Whether the pooled axes stay as dimensions of 1.
enum class SpatialAxes { kKept, kDropped };

/// The axes that a ReduceMean names, as written; nothing when they are computed.
std::optional<std::vector<std::int64_t>> axes_of_mean(const Node& mean, const GraphIndex& index,
                                                      std::int64_t opset) {
  if (opset < 18) return mean.ints_attribute("axes");
  if (mean.input(1).empty()) return std::vector<std::int64_t>();
  return rewrite::constant_ints(index, mean.input(1));
}

/// A ReduceMean over all axes of [N, C, spatial...] but the first two.
std::optional<SpatialAxes> mean_over_space(const Node& node, const GraphIndex& index,
                                           std::int64_t opset, std::size_t rank) {
  const auto axes = axes_of_mean(node, index, opset);
  if (!axes || axes->size() != rank - 2) return std::nullopt;
  std::vector<bool> reduced(rank, false);
  for (const std::int64_t axis : *axes) {
    const auto k = rewrite::normalized_axis(axis, rank);
    if (!k || *k < 2 || reduced[*k]) return std::nullopt;
    reduced[*k] = true;
  }
  return node.int_attribute("keepdims", 1) != 0 ? SpatialAxes::kKept : SpatialAxes::kDropped;
}

/// An AveragePool whose window is the whole, unpadded image.
bool pools_everything(const Node& node, const Shape& shape) {
  const auto kernel = node.ints_attribute("kernel_shape");
  if (kernel.size() + 2 != shape.size()) return false;
  for (std::size_t k = 0; k < kernel.size(); ++k) {
    if (shape[k + 2].number() != kernel[k]) return false;
  }
  const auto all_are = [](const std::vector<std::int64_t>& values, std::int64_t wanted) {
    return std::ranges::all_of(values, [&](std::int64_t value) { return value == wanted; });
  };
  const std::string auto_pad = node.string_attribute("auto_pad", "NOTSET");
  return (auto_pad == "NOTSET" || auto_pad == "VALID") && all_are(node.ints_attribute("pads"), 0) &&
         all_are(node.ints_attribute("dilations"), 1);
}

std::optional<SpatialAxes> global_mean(const Node& node, const GraphIndex& index,
                                       std::int64_t opset) {
  const bool is_mean = node.is("ReduceMean");
  if (!is_mean && !node.is("AveragePool")) return std::nullopt;
  const auto shape = rewrite::shape_of(index, node.input(0));
  if (!shape || shape->size() < 3) return std::nullopt;
  if (rewrite::dtype_of(index, node.input(0)) != DType::kFloat32) return std::nullopt;
  if (is_mean) return mean_over_space(node, index, opset, shape->size());
  return pools_everything(node, *shape) ? std::optional(SpatialAxes::kKept) : std::nullopt;
}

}  // namespace

PassReport find_global_pools(Model& model, const OptimizeConfig&) {
  PassReport report{.pass = "global-pools"};
  Graph& graph = model.graph;
  const Graph before = graph;  // copies share the weights
  const GraphIndex index(before);
  NameScope names(graph);
  graph.nodes.clear();
  for (const Node& node : before.nodes) {
    const auto axes = global_mean(node, index, model.opset());
    graph.nodes.push_back(node);
    if (!axes) continue;
    rewrite::record(report, rewrite::label(node) + " is a GlobalAveragePool");
    Node& pool = graph.nodes.back();
    pool.op_type = "GlobalAveragePool";
    pool.inputs.resize(1);
    pool.attributes.clear();
    if (*axes == SpatialAxes::kKept) continue;
    Node flatten;  // [N, C, 1...] to [N, C]
    flatten.op_type = "Flatten";
    flatten.name = node.name.empty() ? "" : node.name + "/Flatten";
    flatten.outputs = {node.output(0)};
    flatten.set_attribute("axis", std::int64_t{1});
    pool.outputs = {names.fresh(node.output(0) + "_pooled")};
    flatten.inputs = pool.outputs;
    graph.nodes.push_back(std::move(flatten));
  }
  return report;
}

}  // namespace planish
