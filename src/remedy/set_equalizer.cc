#include "remedy/set_equalizer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "planish/optimize/layer_weight.h"
#include "planish/quantize/op_rules.h"

namespace planish::remedy {
namespace {

/// A channel that was scaled up to a bound must not count as one that is cut off there: as many
/// units in the last place as a division by its factor can cost.
constexpr float kReached = 1.0F + 0x1p-20F;

/// Whether the output has the integers of the input.
bool only_moves(const Node& node) {
  const OpRule* rule = find_op_rule(node.op_type);
  return rule != nullptr && rule->qdq == QdqRule::kShares && node.op_type != "AveragePool";
}

}  // namespace

void divide(ChannelStatistics& statistics, std::span<const double> factors) {
  for (std::size_t c = 0; c < statistics.min.size(); ++c) {
    for (ExtremeStatistics* extreme : {&statistics.least[c], &statistics.greatest[c]}) {
      extreme->mean /= factors[c];
      extreme->deviation /= factors[c];
    }
    statistics.min[c] = static_cast<float>(statistics.min[c] / factors[c]);
    statistics.max[c] = static_cast<float>(statistics.max[c] / factors[c]);
    statistics.mean_square[c] /= factors[c] * factors[c];
  }
}

SetEqualizer::SetEqualizer(const Graph& graph, const TiedChannels& set,
                           const StatisticsByValue& statistics,
                           const QuantizationConfig& quantization, double max_ratio)
    : graph_(graph),
      set_(set),
      statistics_(statistics),
      max_ratio_(max_ratio),
      noise_(noise_model(quantization)) {
  const GraphIndex index(graph);
  read_values(index);
  read_layers_behind(index);
  if (noise_.weights == Granularity::kPerTensor) read_layers_before(index);
  read_clamps();
}

ChosenFactors SetEqualizer::best_factors() const {
  ChosenFactors best{.factors = std::vector<double>(set_.channels, 1.0)};
  best.noise = noise(best.factors);
  constexpr int kSteps = 10;
  const bool rows_count = !noise_.before.empty();
  for (int range = 0; range <= kSteps; ++range) {
    for (int row = 0; row <= (rows_count ? kSteps - range : 0); ++row) {
      auto factors = factors_of(range / double{kSteps}, row / double{kSteps});
      const double found = noise(factors);
      if (found < best.noise) best = {std::move(factors), range / double{kSteps}, found};
    }
  }
  return best;
}

void SetEqualizer::read_values(const GraphIndex& index) {
  channels_.range.assign(set_.channels, 0.0);
  for (const TiedChannels::Value& value : set_.values) {
    const ChannelStatistics& seen = statistics_.at(value.name);
    const Node& node = graph_.nodes[*index.producer(value.name)];
    std::vector<double>& shares = shares_[value.name];
    shares = shares_of_inputs(node, seen);
    const bool is_moved = only_moves(node) && shares_.contains(node.input(0));
    if (value.only_clamped || is_moved) continue;
    noise_.values.push_back(&seen);
    shares.resize(noise_.values.size(), 0.0);
    shares.back() = 1.0;
    read_ranges(seen);
  }
}

/// How much of the noise of each quantized value so far `node` hands on.
std::vector<double> SetEqualizer::shares_of_inputs(const Node& node,
                                                   const ChannelStatistics& seen) const {
  std::vector<double> shares(noise_.values.size(), 0.0);
  for (const std::string& input : node.inputs) {
    const auto found = shares_.find(input);
    if (found == shares_.end()) continue;
    // A mean of n elements has 1/n of the noise of one.
    const bool averages = node.op_type.ends_with("AveragePool") || node.is("ReduceMean");
    const double kept = averages ? seen.elements / statistics_.at(input).elements : 1.0;
    for (std::size_t v = 0; v < found->second.size(); ++v) shares[v] += kept * found->second[v];
  }
  return shares;
}

void SetEqualizer::read_ranges(const ChannelStatistics& seen) {
  std::vector<double> reach;
  for (std::size_t c = 0; c < set_.channels; ++c) reach.push_back(likely_reach(seen, c));
  const double whole = *std::ranges::max_element(reach);
  for (std::size_t c = 0; c < set_.channels && whole > 0.0; ++c) {
    channels_.range[c] = std::max(channels_.range[c], reach[c] / whole);
  }
}

void SetEqualizer::read_layers_behind(const GraphIndex& index) {
  channels_.behind.assign(set_.channels, 0.0);
  const bool per_tensor = noise_.weights == Granularity::kPerTensor;
  for (const std::size_t i : set_.consumers) {
    const Node& node = graph_.nodes[i];
    const LayerWeight layer = *layer_weight_of(node, index);
    const auto weights = index.constant(layer.name)->value.values<float>();
    noise_.behind.push_back(
        layer_behind(layer, weights, statistics_.at(node.input(0)).mean_square));
    noise_.behind.back().shares = shares_.at(node.input(0));
    noise_.behind.back().shares.resize(noise_.values.size(), 0.0);
    const auto& behind = noise_.behind.back();
    for (std::size_t m = 0; m < behind.outputs; ++m) {
      if (behind.power[m] <= 0.0) continue;
      // A row with a scale of its own is judged by its own power.
      const double unit = per_tensor ? 1.0 : std::sqrt(behind.power[m]);
      for (std::size_t k = 0; k < behind.width; ++k) {
        double& column = channels_.behind[behind.first_channel(m) + k];
        column = std::max(column, behind.peak[m * behind.width + k] / unit);
      }
    }
  }
}

/// With one scale for a whole weight. What is no layer (a normalization, a gain) stays float.
void SetEqualizer::read_layers_before(const GraphIndex& index) {
  channels_.before.assign(set_.channels, 0.0);
  for (const std::size_t i : set_.producers) {
    const Node& node = graph_.nodes[i];
    const auto layer = layer_weight_of(node, index);
    if (!layer) continue;
    noise_.before.push_back(layer_before(*layer, index.constant(layer->name)->value.values<float>(),
                                         statistics_.at(node.output(0)).mean_square));
    for (std::size_t c = 0; c < set_.channels; ++c) {
      channels_.before[c] = std::max(channels_.before[c], noise_.before.back().peak[c]);
    }
  }
}

void SetEqualizer::read_clamps() {
  channels_.least.assign(set_.channels, 0.0);
  channels_.fixed.assign(set_.channels, false);
  for (const TiedChannels::Clamp& clamp : set_.clamps) {
    const ChannelStatistics& seen = statistics_.at(graph_.nodes[clamp.node].input(0));
    for (std::size_t c = 0; c < set_.channels; ++c) {
      const double likely = likely_reach(seen, c);
      keep_off(c, seen.max[c], likely, clamp.high);
      keep_off(c, -seen.min[c], likely, -clamp.low);
    }
  }
}

/// `bound` 0 cuts off every factor's multiple alike.
void SetEqualizer::keep_off(std::size_t channel, float reached, double likely, float bound) {
  if (bound <= 0.0F || reached <= 0.0F) return;
  if (reached > bound * kReached) channels_.fixed[channel] = true;
  const double least = std::max<double>(reached, std::min<double>(likely, bound)) / bound;
  channels_.least[channel] = std::max(channels_.least[channel], least);
}

/// range^a * row^b / column^(1 - a - b); 1 where a channel is dead on either side.
std::vector<double> SetEqualizer::factors_of(double a, double b) const {
  std::vector<std::optional<double>> raw(set_.channels);
  double greatest = 0.0;
  for (std::size_t c = 0; c < set_.channels; ++c) {
    const bool row_is_dead = b > 0.0 && channels_.before[c] <= 0.0;
    if (channels_.range[c] <= 0.0 || channels_.behind[c] <= 0.0 || row_is_dead) continue;
    raw[c] = std::pow(channels_.range[c], a) / std::pow(channels_.behind[c], 1.0 - a - b);
    if (b > 0.0) *raw[c] *= std::pow(channels_.before[c], b);
    greatest = std::max(greatest, *raw[c]);
  }
  for (auto& factor : raw) {
    if (factor) factor = std::max(*factor, greatest / max_ratio_);
  }
  return normalized(raw);
}

/// One factor for all channels is free: it is chosen to keep off a Clip's bounds, else such that
/// the factors' geometric mean is 1.
std::vector<double> SetEqualizer::normalized(const std::vector<std::optional<double>>& raw) const {
  double log_sum = 0.0;
  double lift = 0.0;
  std::size_t live = 0;
  for (std::size_t c = 0; c < raw.size(); ++c) {
    if (!raw[c] || channels_.fixed[c]) continue;
    log_sum += std::log(*raw[c]);
    lift = std::max(lift, channels_.least[c] / *raw[c]);
    ++live;
  }
  std::vector<double> factors(raw.size(), 1.0);
  if (live == 0) return factors;
  if (lift <= 0.0) lift = std::exp(-log_sum / static_cast<double>(live));
  for (std::size_t c = 0; c < raw.size(); ++c) {
    if (raw[c] && !channels_.fixed[c]) factors[c] = *raw[c] * lift;
  }
  return factors;
}

}  // namespace planish::remedy
