#include "sensitivity/layer_times.h"

#include <map>
#include <optional>
#include <string_view>

namespace planish::sensitivity_detail {
namespace {

using LayerByName = std::map<std::string, std::size_t, std::less<>>;

LayerByName names_of(std::span<const PrecisionLayer> layers, const Graph& graph) {
  LayerByName names;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    for (const std::size_t node : layers[i].nodes) {
      names.emplace(graph.nodes[node].name, i);
      for (const std::string& output : graph.nodes[node].outputs) names.emplace(output, i);
    }
  }
  names.erase("");
  return names;
}

/// By the longest name that `kernel` is, or begins with before a '_'.
std::optional<std::size_t> layer_of(std::string_view kernel, const LayerByName& names) {
  for (std::size_t end = kernel.size(); end != std::string_view::npos && end > 0;
       end = kernel.rfind('_', end - 1)) {
    const auto found = names.find(kernel.substr(0, end));
    if (found != names.end()) return found->second;
  }
  return std::nullopt;
}

}  // namespace

std::vector<double> time_shares(std::span<const PrecisionLayer> layers, const Graph& graph,
                                std::span<const NodeTime> times) {
  const LayerByName names = names_of(layers, graph);
  std::vector<double> shares(layers.size(), 0.0);
  double all = 0.0;
  for (const NodeTime& time : times) {
    const auto duration = static_cast<double>(time.median.count());
    all += duration;
    if (const auto layer = layer_of(time.node, names)) shares[*layer] += duration;
  }
  if (all > 0.0) {
    for (double& share : shares) share /= all;
  }
  return shares;
}

}  // namespace planish::sensitivity_detail
