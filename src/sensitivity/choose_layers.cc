#include "sensitivity/choose_layers.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace planish::sensitivity_detail {
namespace {

/// Removes what is not needed, that first which costs most: rounding may have kept one too many.
void drop_spare(std::span<const LayerTrade> layers, double to_go, std::vector<std::size_t>& kept) {
  double gone = 0.0;
  for (const std::size_t i : kept) gone += layers[i].noise;
  std::vector<std::size_t> by_cost = kept;
  std::ranges::stable_sort(by_cost, std::ranges::greater{},
                           [&](std::size_t i) { return layers[i].saved_ms; });
  for (const std::size_t i : by_cost) {
    if (layers[i].saved_ms <= 0.0 || gone - layers[i].noise < to_go) continue;
    gone -= layers[i].noise;
    std::erase(kept, i);
  }
}

}  // namespace

std::vector<std::size_t> cheapest_layers(std::span<const LayerTrade> layers, double noise_left) {
  constexpr std::size_t kUnits = 1000;
  double total = 0.0;
  for (const LayerTrade& layer : layers) total += layer.noise;
  const double to_go = total - noise_left;
  std::vector<std::size_t> kept;
  if (!(to_go > 0.0)) return kept;
  const double unit = to_go / static_cast<double>(kUnits);
  // least[u]: what it costs to take away u units at least, with the layers so far.
  std::vector<double> least(kUnits + 1, std::numeric_limits<double>::infinity());
  least[0] = 0.0;
  std::vector<std::vector<bool>> takes(layers.size(), std::vector<bool>(kUnits + 1));
  const auto units_of = [&](const LayerTrade& layer) {
    return std::min(kUnits, static_cast<std::size_t>(std::floor(layer.noise / unit)));
  };
  // Times are known to about a thousandth of the whole. Where they do not tell two choices apart,
  // fewer layers do: each may be two conversions.
  double saved = 0.0;
  for (const LayerTrade& layer : layers) saved += std::max(layer.saved_ms, 0.0);
  const double smallest = saved > 0.0 ? saved / 1000.0 : 1.0;
  const auto cost_of = [&](const LayerTrade& layer) { return std::max(layer.saved_ms, smallest); };
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::size_t units = units_of(layers[i]);
    if (units == 0) continue;
    for (std::size_t u = kUnits; u > 0; --u) {
      const double cost = least[u > units ? u - units : 0] + cost_of(layers[i]);
      if (!(cost < least[u])) continue;
      least[u] = cost;
      takes[i][u] = true;
    }
  }
  std::size_t u = kUnits;
  if (!std::isfinite(least[u])) {
    // Only rounding can do this, or that everything has to go: all that makes noise.
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (layers[i].noise > 0.0) kept.push_back(i);
    }
  } else {
    for (std::size_t i = layers.size(); i-- > 0 && u > 0;) {
      if (!takes[i][u]) continue;
      kept.push_back(i);
      const std::size_t units = units_of(layers[i]);
      u = u > units ? u - units : 0;
    }
    std::ranges::sort(kept);
  }
  drop_spare(layers, to_go, kept);
  return kept;
}

}  // namespace planish::sensitivity_detail
