#include "sensitivity/layer_times.h"

#include <unordered_map>

namespace planish::sensitivity_detail {

std::vector<double> time_shares(std::span<const PrecisionLayer> layers, const Graph& graph,
                                std::span<const NodeTime> times) {
  const KernelNames names(graph);
  std::unordered_map<std::size_t, std::size_t> layer_of_node;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    for (const std::size_t node : layers[i].nodes) layer_of_node.emplace(node, i);
  }
  std::vector<double> shares(layers.size(), 0.0);
  double all = 0.0;
  for (const NodeTime& time : times) {
    const auto duration = static_cast<double>(time.median.count());
    all += duration;
    const auto node = names.node_of(time.node);
    const auto layer = node ? layer_of_node.find(*node) : layer_of_node.end();
    if (layer != layer_of_node.end()) shares[layer->second] += duration;
  }
  if (all > 0.0) {
    for (double& share : shares) share /= all;
  }
  return shares;
}

}  // namespace planish::sensitivity_detail
