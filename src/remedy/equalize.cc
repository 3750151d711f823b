#include "planish/remedy/equalize.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/graph/graph_index.h"
#include "planish/optimize/layer_weight.h"
#include "planish/quantize/op_rules.h"
#include "remedy/equalization_noise.h"

namespace planish {
namespace {

using remedy::NoiseModel;

/// Normalizations and gains stay in float, so equalization has nothing to win from their weights;
/// SmoothQuant takes them.
bool is_between_layers(const Graph& graph, const TiedChannels& set) {
  return std::ranges::all_of(set.producers, [&](std::size_t i) {
    const Node& node = graph.nodes[i];
    return node.is("Conv") || node.is("Gemm") || node.is("MatMul");
  });
}

std::vector<TiedChannels> sets_to_equalize(const Model& model) {
  std::vector<TiedChannels> sets = find_tied_channels(model.graph, model.opset());
  std::erase_if(sets, [&](const TiedChannels& s) { return !is_between_layers(model.graph, s); });
  return sets;
}

/// A channel that was scaled up to a bound must not count as one that is cut off there: as many
/// units in the last place as a division by its factor can cost.
constexpr float kReached = 1.0F + 0x1p-20F;

/// What the channels of a set are like, one number each.
struct Channels {
  std::vector<double> range = {};   // of the values, relative to the whole value's
  std::vector<double> behind = {};  // of the columns of the layers behind
  std::vector<double> before = {};  // of the rows of the layers before
  std::vector<double> least = {};   // the least factor that keeps the channel off a Clip's bounds
  std::vector<bool> fixed = {};     // reaches a bound: keeps factor 1
};

/// Whether the output has the integers of the input.
bool only_moves(const Node& node) {
  const OpRule* rule = find_op_rule(node.op_type);
  return rule != nullptr && rule->qdq == QdqRule::kShares && node.op_type != "AveragePool";
}

class SetEqualizer {
 public:
  /// `statistics` by the name of the value, as they are by now.
  SetEqualizer(const Graph& graph, const TiedChannels& set,
               const std::map<std::string, ChannelStatistics>& statistics,
               const QuantizationConfig& quantization, const EqualizeConfig& config)
      : graph_(graph),
        set_(set),
        statistics_(statistics),
        config_(config),
        noise_(remedy::noise_model(quantization)) {
    const GraphIndex index(graph);
    read_values(index);
    read_layers(index);
    read_clamps();
  }

  [[nodiscard]] double noise(std::span<const double> factors) const {
    return noise_.noise(factors);
  }

  /// The best factors of the family, by predicted noise.
  [[nodiscard]] std::vector<double> best_factors() const {
    std::vector<double> best(set_.channels, 1.0);
    double least = noise(best);
    constexpr int kSteps = 10;
    const bool rows_count = noise_.weights == Granularity::kPerTensor;
    for (int range = 0; range <= kSteps; ++range) {
      for (int row = 0; row <= (rows_count ? kSteps - range : 0); ++row) {
        auto factors = factors_of(range / double{kSteps}, row / double{kSteps});
        const double found = noise(factors);
        if (!(found < least)) continue;
        least = found;
        best = std::move(factors);
      }
    }
    return best;
  }

 private:
  void read_values(const GraphIndex& index) {
    channels_.range.assign(set_.channels, 0.0);
    for (const TiedChannels::Value& value : set_.values) {
      const ChannelStatistics& seen = statistics_.at(value.name);
      const Node& node = graph_.nodes[*index.producer(value.name)];
      std::vector<double>& shares = shares_[value.name];
      shares = shares_of_inputs(node, seen);
      if (value.only_clamped || only_moves(node)) continue;
      noise_.values.push_back(&seen);
      shares.resize(noise_.values.size(), 0.0);
      shares.back() = 1.0;
      read_ranges(seen);
    }
  }

  /// How much of the noise of each quantized value so far `node` hands on.
  [[nodiscard]] std::vector<double> shares_of_inputs(const Node& node,
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

  void read_ranges(const ChannelStatistics& seen) {
    std::vector<double> reach;
    for (std::size_t c = 0; c < set_.channels; ++c) reach.push_back(remedy::likely_reach(seen, c));
    const double whole = *std::ranges::max_element(reach);
    for (std::size_t c = 0; c < set_.channels && whole > 0.0; ++c) {
      channels_.range[c] = std::max(channels_.range[c], reach[c] / whole);
    }
  }

  void read_layers(const GraphIndex& index) {
    channels_.behind.assign(set_.channels, 0.0);
    channels_.before.assign(set_.channels, 0.0);
    const bool per_tensor = noise_.weights == Granularity::kPerTensor;
    for (const std::size_t i : set_.consumers) {
      const Node& node = graph_.nodes[i];
      const LayerWeight layer = *layer_weight_of(node, index);
      const auto weights = index.constant(layer.name)->value.values<float>();
      noise_.behind.push_back(
          remedy::layer_behind(layer, weights, statistics_.at(node.input(0)).mean_square));
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
    for (const std::size_t i : set_.producers) {
      if (!per_tensor) break;
      const Node& node = graph_.nodes[i];
      const LayerWeight layer = *layer_weight_of(node, index);
      noise_.before.push_back(
          remedy::layer_before(layer, index.constant(layer.name)->value.values<float>(),
                               statistics_.at(node.output(0)).mean_square));
      for (std::size_t c = 0; c < set_.channels; ++c) {
        channels_.before[c] = std::max(channels_.before[c], noise_.before.back().peak[c]);
      }
    }
  }

  void read_clamps() {
    channels_.least.assign(set_.channels, 0.0);
    channels_.fixed.assign(set_.channels, false);
    for (const TiedChannels::Clamp& clamp : set_.clamps) {
      const ChannelStatistics& seen = statistics_.at(graph_.nodes[clamp.node].input(0));
      for (std::size_t c = 0; c < set_.channels; ++c) {
        const double likely = remedy::likely_reach(seen, c);
        keep_off(c, seen.max[c], likely, clamp.high);
        keep_off(c, -seen.min[c], likely, -clamp.low);
      }
    }
  }

  /// `bound` 0 cuts off every factor's multiple alike.
  void keep_off(std::size_t channel, float reached, double likely, float bound) {
    if (bound <= 0.0F || reached <= 0.0F) return;
    if (reached > bound * kReached) channels_.fixed[channel] = true;
    const double least = std::max<double>(reached, std::min<double>(likely, bound)) / bound;
    channels_.least[channel] = std::max(channels_.least[channel], least);
  }

  /// range^a * row^b / column^(1 - a - b); 1 where a channel is dead on either side.
  [[nodiscard]] std::vector<double> factors_of(double a, double b) const {
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
      if (factor) factor = std::max(*factor, greatest / config_.max_ratio);
    }
    return normalized(raw);
  }

  /// One factor for all channels is free: it is chosen to keep off a Clip's bounds, else such that
  /// the factors' geometric mean is 1.
  [[nodiscard]] std::vector<double> normalized(
      const std::vector<std::optional<double>>& raw) const {
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

  const Graph& graph_;
  const TiedChannels& set_;
  const std::map<std::string, ChannelStatistics>& statistics_;
  const EqualizeConfig& config_;
  NoiseModel noise_;
  Channels channels_;
  std::map<std::string, std::vector<double>> shares_;  // by value, of noise_.values
};

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

class Equalizer {
 public:
  Equalizer(const Model& model, std::span<const ChannelStatistics> statistics,
            const QuantizationConfig& quantization, const EqualizeConfig& config)
      : quantization_(quantization), config_(config), sets_(sets_to_equalize(model)) {
    result_.model = model;
    read(statistics);
  }

  Equalized run() {
    std::vector<std::vector<double>> factors;
    for (const TiedChannels& set : sets_) {
      factors.emplace_back(set.channels, 1.0);
      result_.report.sets.push_back({.value = set.values.front().name, .channels = set.channels});
    }
    for (std::size_t round = 0; round < config_.rounds; ++round) {
      for (std::size_t i = 0; i < sets_.size(); ++i) {
        move_factors(sets_[i], result_.report.sets[i], factors[i], round == 0);
      }
    }
    return std::move(result_);
  }

 private:
  void read(std::span<const ChannelStatistics> statistics) {
    std::size_t next = 0;
    for (const TiedChannels& set : sets_) {
      for (const TiedChannels::Value& value : set.values) {
        if (next == statistics.size()) refuse(statistics.size());
        const ChannelStatistics& given = statistics[next++];
        const bool complete = given.min.size() == set.channels &&
                              given.least.size() == set.channels &&
                              given.greatest.size() == set.channels;
        if (!given.min.empty() && !complete) refuse(statistics.size());
        statistics_.insert_or_assign(value.name, given);
      }
    }
    if (next != statistics.size()) refuse(statistics.size());
  }

  [[noreturn]] static void refuse(std::size_t found) {
    throw Error(ErrorCode::kInvalidArgument,
                "statistics of " + std::to_string(found) +
                    " values that are not those of equalization_targets() of this model");
  }

  [[nodiscard]] bool was_observed(const TiedChannels& set) const {
    return std::ranges::none_of(set.values, [&](const TiedChannels::Value& value) {
      return statistics_.at(value.name).min.empty();
    });
  }

  void move_factors(const TiedChannels& set, EqualizedSet& report, std::vector<double>& moved,
                    bool first) {
    if (!was_observed(set)) {
      report.left_because = "no sample had an element of it";
      return;
    }
    const SetEqualizer equalizer(result_.model.graph, set, statistics_, quantization_, config_);
    const double before = equalizer.noise(std::vector<double>(set.channels, 1.0));
    const std::vector<double> factors = equalizer.best_factors();
    const double after = equalizer.noise(factors);
    if (first) report.noise_before = report.noise_after = before;
    if (!(before - after >= config_.min_gain * before) || before <= 0.0) {
      if (first) report.left_because = "its channels are alike enough";
      return;
    }
    scale_channels(result_.model.graph, set, factors);
    for (const TiedChannels::Value& value : set.values) {
      divide(statistics_.at(value.name), factors);
    }
    for (std::size_t c = 0; c < set.channels; ++c) moved[c] *= factors[c];
    report.noise_after = after;
    report.left_because.clear();
    report.least_factor = *std::ranges::min_element(moved);
    report.greatest_factor = *std::ranges::max_element(moved);
  }

  const QuantizationConfig& quantization_;
  const EqualizeConfig& config_;
  const std::vector<TiedChannels> sets_;
  std::map<std::string, ChannelStatistics> statistics_;
  Equalized result_;
};

}  // namespace

std::vector<ChannelsOfValue> equalization_targets(const Model& model) {
  std::vector<ChannelsOfValue> targets;
  for (const TiedChannels& set : sets_to_equalize(model)) {
    for (const TiedChannels::Value& value : set.values) targets.push_back({value.name, value.axis});
  }
  return targets;
}

Equalized equalize(const Model& model, std::span<const ChannelStatistics> statistics,
                   const QuantizationConfig& quantization, const EqualizeConfig& config) {
  return Equalizer(model, statistics, quantization, config).run();
}

Json to_json(const EqualizeReport& report) {
  Json sets = Json::array();
  for (const EqualizedSet& set : report.sets) {
    Json entry{{"value", set.value},
               {"channels", set.channels},
               {"noise_before", set.noise_before},
               {"noise_after", set.noise_after}};
    if (set.left_because.empty()) {
      entry["least_factor"] = set.least_factor;
      entry["greatest_factor"] = set.greatest_factor;
    } else {
      entry["left_because"] = set.left_because;
    }
    sets.push_back(std::move(entry));
  }
  return sets;
}

}  // namespace planish
