#include "planish/sensitivity/layers.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "planish/base/error.h"
#include "planish/graph/graph_index.h"

namespace planish {
namespace {

bool has_quantized_weight(const QuantizationPlan& plan, const Node& node) {
  return std::ranges::any_of(node.inputs, [&](const std::string& input) {
    const TensorPlan* tensor = input.empty() ? nullptr : plan.find(input);
    return tensor != nullptr && tensor->role == TensorRole::kWeight;
  });
}

/// Nodes whose name says which node is meant.
std::vector<bool> have_own_name(const Graph& graph) {
  std::unordered_map<std::string_view, std::size_t> count;
  for (const Node& node : graph.nodes) ++count[node.name];
  std::vector<bool> result;
  for (const Node& node : graph.nodes)
    result.push_back(!node.name.empty() && count[node.name] == 1);
  return result;
}

/// The greatest of the layers that feed `node`, which are known: nodes are in topological order.
std::optional<std::size_t> layer_that_feeds(const Node& node, const GraphIndex& index,
                                            const std::vector<std::optional<std::size_t>>& layers) {
  std::optional<std::size_t> last;
  for (const std::string& input : node.inputs) {
    const auto maker = index.producer(input);
    if (maker && layers[*maker] && (!last || *last < *layers[*maker])) last = layers[*maker];
  }
  return last;
}

const TensorPlan* root_of(const QuantizationPlan& plan, std::string_view tensor) {
  const TensorPlan* found = plan.find(tensor);
  while (found != nullptr && !found->shares.empty()) found = plan.find(found->shares);
  return found;
}

/// Whether both plans give `tensor` the same integers.
bool is_same_activation(const QuantizationPlan& a, const QuantizationPlan& b,
                        std::string_view tensor) {
  const TensorPlan* first = root_of(a, tensor);
  const TensorPlan* second = root_of(b, tensor);
  if (first == nullptr || second == nullptr) return first == second;
  return first->params == second->params;
}

/// Scales and integers of weights are those of `full`, and so are the scales of the biases that
/// hang on them. Where the input has other integers now, everything is as planned anew.
void carry_weights(const QuantizationPlan& full, const Graph& graph, QuantizationPlan& plan) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (!plan.nodes[i].quantized || !full.nodes[i].quantized) continue;
    if (!is_same_activation(full, plan, node.input(0))) continue;
    const auto weight = std::ranges::find(plan.tensors, node.input(1), &TensorPlan::tensor);
    const TensorPlan* source = full.find(node.input(1));
    if (weight == plan.tensors.end() || source == nullptr) continue;
    if (weight->role != TensorRole::kWeight || source->role != TensorRole::kWeight ||
        weight->dtype != source->dtype || weight->axis != source->axis)
      continue;
    *weight = *source;
    const auto bias = std::ranges::find(plan.biases, i, &BiasPlan::node);
    const auto known = std::ranges::find(full.biases, i, &BiasPlan::node);
    if (bias != plan.biases.end() && known != full.biases.end()) bias->scales = known->scales;
  }
}

/// Whether the layer that `constant` is the bias of is quantized: the node that reads it is, or is
/// the Add behind a MatMul that is.
bool corrects_quantized_layer(const QuantizationPlan& plan, const Graph& graph,
                              const GraphIndex& index, const std::string& constant) {
  return std::ranges::any_of(index.uses(constant), [&](const Use& use) {
    if (use.input == Use::kBySubgraph) return false;
    if (plan.nodes[use.node].quantized) return true;
    return std::ranges::any_of(graph.nodes[use.node].inputs, [&](const std::string& input) {
      const auto maker = index.producer(input);
      return maker && plan.nodes[*maker].quantized;
    });
  });
}

QuantizationPlan plan_part(const QuantizationPlan& full, const Model& model,
                           const CalibrationTable& table, const QuantizationConfig& config) {
  QuantizationPlan plan = plan_quantization(model, table, config);
  carry_weights(full, model.graph, plan);
  const GraphIndex index(model.graph);
  for (const CorrectedConstant& constant : full.corrected) {
    if (corrects_quantized_layer(plan, model.graph, index, constant.name))
      plan.corrected.push_back(constant);
  }
  return plan;
}

}  // namespace

std::vector<PrecisionLayer> precision_layers(const QuantizationPlan& plan, const Model& model) {
  const Graph& graph = model.graph;
  if (plan.nodes.size() != graph.nodes.size()) {
    throw Error(ErrorCode::kInvalidArgument,
                "a plan of " + std::to_string(plan.nodes.size()) + " nodes for a model of " +
                    std::to_string(graph.nodes.size()) + "; expected the plan of this model");
  }
  const GraphIndex index(graph);
  const std::vector<bool> can_be_named = have_own_name(graph);
  std::vector<PrecisionLayer> layers;
  std::vector<std::optional<std::size_t>> layer_of(graph.nodes.size());
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (!plan.nodes[i].quantized || !can_be_named[i]) continue;
    if (has_quantized_weight(plan, node)) {
      layer_of[i] = layers.size();
      layers.push_back({.name = node.name, .op_type = node.op_type});
    } else {
      layer_of[i] = layer_that_feeds(node, index, layer_of);
    }
    if (layer_of[i]) layers[*layer_of[i]].nodes.push_back(i);
  }
  return layers;
}

std::vector<std::string> nodes_of(std::span<const PrecisionLayer> layers,
                                  std::span<const std::size_t> chosen, const Model& model) {
  std::vector<std::string> names;
  for (const std::size_t i : chosen) {
    for (const std::size_t node : layers[i].nodes) names.push_back(model.graph.nodes[node].name);
  }
  return names;
}

QuantizationPlan plan_without(const QuantizationPlan& full, const Model& model,
                              const CalibrationTable& table, std::span<const std::string> kept) {
  QuantizationConfig config = full.config;
  config.exclude_nodes.insert(config.exclude_nodes.end(), kept.begin(), kept.end());
  const bool only_some = !config.include_nodes.empty();
  std::erase_if(config.include_nodes, [&](const std::string& name) {
    return std::ranges::find(kept, name) != kept.end();
  });
  if (only_some && config.include_nodes.empty()) {  // an empty list would mean all
    for (const Node& node : model.graph.nodes) config.exclude_nodes.push_back(node.name);
  }
  return plan_part(full, model, table, config);
}

QuantizationPlan plan_only(const QuantizationPlan& full, const Model& model,
                           const CalibrationTable& table, std::span<const std::string> only) {
  QuantizationConfig config = full.config;
  config.exclude_nodes.clear();
  config.include_nodes.assign(only.begin(), only.end());
  return plan_part(full, model, table, config);
}

}  // namespace planish
