#include "sensitivity/subgraph.h"

#include <algorithm>
#include <set>

namespace planish::sensitivity_detail {
namespace {

constexpr std::size_t kInput = static_cast<std::size_t>(-1);

std::vector<bool> reachable_from(const Graph& graph, const GraphIndex& index,
                                 std::span<const std::size_t> layer) {
  std::vector<bool> reached(graph.nodes.size(), false);
  for (const std::size_t node : layer) reached[node] = true;
  // Nodes are in topological order: readers come later.
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!reached[i]) continue;
    for (const std::string& output : graph.nodes[i].outputs) {
      for (const Use& use : index.uses(output)) reached[use.node] = true;
    }
  }
  return reached;
}

/// Drops those that do not lead to `output`.
void keep_what_leads_to(std::string_view output, const Graph& graph, const GraphIndex& index,
                        std::vector<bool>& nodes) {
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    if (!nodes[i]) continue;
    nodes[i] = std::ranges::any_of(graph.nodes[i].outputs, [&](const std::string& made) {
      return made == output || std::ranges::any_of(index.uses(made), [&](const Use& use) {
               return static_cast<bool>(nodes[use.node]);
             });
    });
  }
}

}  // namespace

Suffix suffix_of(const Graph& graph, const GraphIndex& index, std::span<const std::size_t> layer,
                 std::string_view output) {
  std::vector<bool> in = reachable_from(graph, index, layer);
  keep_what_leads_to(output, graph, index, in);
  Suffix suffix;
  std::set<std::string> cuts;
  const auto add_cut = [&](const std::string& value) {
    const auto uses = index.uses(value);
    if (std::ranges::any_of(uses, [&](const Use& use) { return static_cast<bool>(in[use.node]); }))
      cuts.insert(value);
  };
  for (const ValueInfo& input : graph.inputs) add_cut(input.name);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (in[i]) {
      suffix.nodes.push_back(i);
    } else {
      for (const std::string& made : graph.nodes[i].outputs) add_cut(made);
    }
  }
  cuts.erase("");
  suffix.cuts.assign(cuts.begin(), cuts.end());
  return suffix;
}

Model with_outputs(const Model& model, std::span<const std::string> outputs) {
  Model shown = model;
  std::set<std::string_view> seen;
  std::vector<ValueInfo> values;
  for (const std::string& name : outputs) {
    if (!seen.insert(name).second) continue;
    const auto declared = std::ranges::find(model.graph.outputs, name, &ValueInfo::name);
    // The runtime infers the type of any other value.
    values.push_back(declared == model.graph.outputs.end() ? ValueInfo{.name = name} : *declared);
  }
  shown.graph.outputs = std::move(values);
  remove_unused(shown.graph);
  return shown;
}

Model cut_at(const Model& model, std::span<const std::string> cuts, const ValueTypes& types,
             std::span<const std::string> outputs) {
  Model part = model;
  Graph& graph = part.graph;
  NameScope names(graph);
  std::set<std::string_view> inputs;
  for (const ValueInfo& input : model.graph.inputs) inputs.insert(input.name);
  const std::set<std::string_view> cut_values(cuts.begin(), cuts.end());
  for (Node& node : graph.nodes) {
    for (std::string& made : node.outputs) {
      if (!made.empty() && cut_values.contains(made)) made = names.fresh(made + "/before_cut");
    }
  }
  std::erase_if(graph.values, [&](const ValueInfo& v) { return cut_values.contains(v.name); });
  for (const std::string& cut : cuts) {
    if (!inputs.contains(cut)) graph.inputs.push_back({.name = cut, .type = types.at(cut)});
  }
  part = with_outputs(part, outputs);
  const GraphIndex index(part.graph);
  std::vector<ValueInfo> read;
  for (ValueInfo& input : part.graph.inputs) {
    if (!index.uses(input.name).empty() || index.is_graph_output(input.name)) read.push_back(input);
  }
  part.graph.inputs = std::move(read);
  return part;
}

QuantizedValues::QuantizedValues(Model& quantized) : model_(quantized), names_(quantized.graph) {
  for (const ValueInfo& input : model_.graph.inputs) made_[input.name] = kInput;
  for (std::size_t i = 0; i < model_.graph.nodes.size(); ++i) {
    const Node& node = model_.graph.nodes[i];
    for (const std::string& output : node.outputs) made_[output] = i;
    if (node.op_type == "QuantizeLinear") quantizer_.emplace(node.input(0), i);
  }
}

std::optional<std::string> QuantizedValues::view(const std::string& value, bool made_in_integers) {
  const auto made = made_.find(value);
  if (made == made_.end()) return std::nullopt;
  const auto quantizer = quantizer_.find(value);
  if (!made_in_integers || quantizer == quantizer_.end()) return value;
  Node dequantize = model_.graph.nodes[quantizer->second];
  dequantize.op_type = "DequantizeLinear";
  dequantize.name = names_.fresh(value + "/view");
  dequantize.inputs[0] = dequantize.output(0);
  dequantize.outputs = {dequantize.name};
  model_.graph.nodes.push_back(dequantize);
  return dequantize.name;
}

}  // namespace planish::sensitivity_detail
