// Reading and editing graphs: what several passes share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "planish/graph/graph_index.h"
#include "planish/graph/model.h"
#include "planish/optimize/passes.h"

namespace planish::rewrite {

/// Old name -> new name.
using Renaming = std::unordered_map<std::string, std::string>;

/// "Conv 'conv1'"; a node without a name is known by its first output.
std::string label(const Node& node);

/// Node inputs named in `names`, also inside subgraphs, read the new name. A subgraph that defines
/// the old name itself means its own value and is left alone.
void rename_reads(Graph& graph, const Renaming& names);

/// Every occurrence in `node` (inputs, outputs, whole subgraphs) takes the new name.
void rename_all(Node& node, const Renaming& names);

/// Removes the nodes i with doomed[i].
void erase_nodes(Graph& graph, const std::vector<bool>& doomed);

/// Removes nodes that hand inputs[0] on to outputs[0]: readers of the output read the input. Where
/// the output is one of the graph, the node before gives up its name for it; where that cannot be
/// (the value is an input of the graph, an initializer, or an output itself), the node stays.
/// `nodes` in ascending order. Says which went.
std::vector<std::size_t> bypass(Graph& graph, const std::vector<std::size_t>& nodes);

/// Adds an initializer under a fresh name like `wish`, and returns the name.
std::string add_initializer(Graph& graph, NameScope& names, std::string_view wish, Tensor value);

/// The integers of a constant of rank 0 or 1; nothing when `value` is none or not of integers.
std::optional<std::vector<std::int64_t>> constant_ints(const GraphIndex& index,
                                                       std::string_view value);
/// A float32 constant with a single element; its rank says how it broadcasts.
struct ScalarConstant {
  float value = 0;
  std::size_t rank = 0;
};
std::optional<ScalarConstant> constant_scalar(const GraphIndex& index, std::string_view value);

/// The declared element type and shape of a value or initializer; null parts when not known.
std::optional<DType> dtype_of(const GraphIndex& index, std::string_view value);
std::optional<Shape> shape_of(const GraphIndex& index, std::string_view value);

/// An axis of -rank … rank - 1 as one of 0 … rank - 1; nothing outside.
std::optional<std::size_t> normalized_axis(std::int64_t axis, std::size_t rank);

/// A report of `pass` to which changes are added.
inline void record(PassReport& report, std::string detail) {
  ++report.changes;
  report.details.push_back(std::move(detail));
}

}  // namespace planish::rewrite
