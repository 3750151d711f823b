// Equal constants become one.
#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "optimize/rewrite.h"
#include "planish/optimize/passes.h"

namespace planish {
namespace {

/// Type, shape and content; equal tensors have equal hashes.
std::size_t hash_of(const Tensor& tensor) {
  const auto bytes = tensor.bytes();
  const std::string_view content(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string kind =
      std::string(name_of(tensor.dtype())) + to_string(std::span(tensor.dims()));
  std::size_t hash = std::hash<std::string>{}(kind);
  const auto add = [&](std::string_view text) {
    hash = hash * 31 + std::hash<std::string_view>{}(text);
  };
  add(content);
  for (const std::string& text : tensor.strings()) add(text);
  return hash;
}

}  // namespace

PassReport merge_initializers(Model& model, const OptimizeConfig&) {
  PassReport report{.pass = "duplicates"};
  Graph& graph = model.graph;
  const GraphIndex index(graph);
  std::unordered_map<std::size_t, std::vector<const Initializer*>> kept;
  rewrite::Renaming reads;
  for (const Initializer& initializer : graph.initializers) {
    // Inputs may be overridden and outputs keep their names: neither stands for another.
    if (index.is_graph_input(initializer.name) || index.is_graph_output(initializer.name)) continue;
    auto& same_hash = kept[hash_of(initializer.value)];
    const auto twin = std::find_if(same_hash.begin(), same_hash.end(), [&](const Initializer* i) {
      return i->value == initializer.value;
    });
    if (twin == same_hash.end()) {
      same_hash.push_back(&initializer);
      continue;
    }
    if ((*twin)->name == initializer.name) continue;  // a name given twice: not ours to mend
    reads[initializer.name] = (*twin)->name;
    rewrite::record(report, "'" + initializer.name + "' is '" + (*twin)->name + "'");
  }
  rewrite::rename_reads(graph, reads);
  std::erase_if(graph.initializers,
                [&](const Initializer& initializer) { return reads.contains(initializer.name); });
  return report;
}

}  // namespace planish
