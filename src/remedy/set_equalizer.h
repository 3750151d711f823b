// Factors for one set of tied channels, by the noise that they are predicted to leave: what
// equalization and SmoothQuant have in common.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "planish/graph/graph_index.h"
#include "planish/graph/model.h"
#include "planish/optimize/tied_channels.h"
#include "planish/quantize/config.h"
#include "planish/remedy/channel_statistics.h"
#include "remedy/equalization_noise.h"

namespace planish::remedy {

/// By the name of the value, as they are by now.
using StatisticsByValue = std::map<std::string, ChannelStatistics>;

/// Statistics of the values divided by `factors`.
void divide(ChannelStatistics& statistics, std::span<const double> factors);

struct ChosenFactors {
  std::vector<double> factors = {};
  double exponent = 0.0;  // a of range^a / column^(1 - a); 0 where no factor is better than 1
  double noise = 0.0;     // predicted
};

class SetEqualizer {
 public:
  /// No channel's factor is further than `max_ratio` from another's.
  SetEqualizer(const Graph& graph, const TiedChannels& set, const StatisticsByValue& statistics,
               const QuantizationConfig& quantization, double max_ratio);

  [[nodiscard]] double noise(std::span<const double> factors) const {
    return noise_.noise(factors);
  }
  /// The best factors of the family, by predicted noise.
  [[nodiscard]] ChosenFactors best_factors() const;

 private:
  /// What the channels of a set are like, one number each.
  struct Channels {
    std::vector<double> range = {};   // of the values, relative to the whole value's
    std::vector<double> behind = {};  // of the columns of the layers behind
    std::vector<double> before = {};  // of the rows of the layers before
    std::vector<double> least = {};   // the least factor that keeps the channel off a Clip's bounds
    std::vector<bool> fixed = {};     // reaches a bound: keeps factor 1
  };

  void read_values(const GraphIndex& index);
  [[nodiscard]] std::vector<double> shares_of_inputs(const Node& node,
                                                     const ChannelStatistics& seen) const;
  void read_ranges(const ChannelStatistics& seen);
  void read_layers_behind(const GraphIndex& index);
  void read_layers_before(const GraphIndex& index);
  void read_clamps();
  void keep_off(std::size_t channel, float reached, double likely, float bound);
  [[nodiscard]] std::vector<double> factors_of(double a, double b) const;
  [[nodiscard]] std::vector<double> normalized(const std::vector<std::optional<double>>& raw) const;

  const Graph& graph_;
  const TiedChannels& set_;
  const StatisticsByValue& statistics_;
  double max_ratio_;
  NoiseModel noise_;
  Channels channels_;
  std::map<std::string, std::vector<double>> shares_;  // by value, of noise_.values
};

}  // namespace planish::remedy
