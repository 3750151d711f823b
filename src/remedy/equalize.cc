#include "planish/remedy/equalize.h"

#include <algorithm>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "remedy/set_equalizer.h"

namespace planish {
namespace {

using remedy::SetEqualizer;
using remedy::StatisticsByValue;

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
    const SetEqualizer equalizer(result_.model.graph, set, statistics_, quantization_,
                                 config_.max_ratio);
    const double before = equalizer.noise(std::vector<double>(set.channels, 1.0));
    const auto [factors, exponent, after] = equalizer.best_factors();
    if (first) report.noise_before = report.noise_after = before;
    if (!(before - after >= config_.min_gain * before) || before <= 0.0) {
      if (first) report.left_because = "its channels are alike enough";
      return;
    }
    scale_channels(result_.model.graph, set, factors);
    for (const TiedChannels::Value& value : set.values) {
      remedy::divide(statistics_.at(value.name), factors);
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
  StatisticsByValue statistics_;
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

std::size_t EqualizeReport::equalized() const {
  return static_cast<std::size_t>(
      std::ranges::count(sets, std::string_view(), &EqualizedSet::left_because));
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
