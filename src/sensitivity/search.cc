#include "planish/sensitivity/search.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

namespace planish {
namespace {

class Search {
 public:
  Search(std::span<const LayerTrade> layers, const TryMixed& attempt,
         const MixedSearchConfig& config, std::stop_token stop)
      : layers_(layers), attempt_(attempt), config_(config), stop_(std::move(stop)) {
    order_layers();
  }

  MixedSearch run(const MixedOutcome& full) {
    const std::size_t longest = longest_prefix();
    if (full.accepted || longest == 0) return std::move(found_);
    if (const auto length = shortest_accepted_prefix(full, longest)) give_back(prefix(*length));
    return std::move(found_);
  }

 private:
  using Kept = std::vector<std::size_t>;

  void order_layers() {
    order_.resize(layers_.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    double total = 0.0;
    for (const LayerTrade& layer : layers_) total += std::max(layer.saved_ms, 0.0);
    // Times are known to about a thousandth of the whole: below, a layer costs nothing.
    const double least = total > 0.0 ? total / 1000.0 : 1.0;
    const auto worth = [&](std::size_t i) {
      return layers_[i].noise / std::max(layers_[i].saved_ms, least);
    };
    std::ranges::stable_sort(order_, std::ranges::greater{}, worth);
    // Of the first k in that order, for every k: what is left.
    noise_left_.assign(order_.size() + 1, 0.0);
    saved_left_.assign(order_.size() + 1, 0.0);
    for (std::size_t k = order_.size(); k-- > 0;) {
      noise_left_[k] = noise_left_[k + 1] + layers_[order_[k]].noise;
      saved_left_[k] = saved_left_[k + 1] + layers_[order_[k]].saved_ms;
    }
  }

  /// The most layers that may be kept in FP32.
  [[nodiscard]] std::size_t longest_prefix() const {
    std::size_t longest = 0;
    for (std::size_t k = 1; k < order_.size(); ++k) {
      if (saved_left_[k] >= config_.min_saved_share * saved_left_[0]) longest = k;
    }
    return longest;
  }

  [[nodiscard]] Kept prefix(std::size_t length) const {
    Kept kept(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(length));
    std::ranges::sort(kept);
    return kept;
  }

  /// The shortest prefix behind which no more noise than this is left.
  [[nodiscard]] std::size_t length_for(double noise) const {
    std::size_t length = 0;
    while (length < order_.size() && noise_left_[length] > noise) ++length;
    return length;
  }

  [[nodiscard]] bool may_go_on() const {
    return found_.trials.size() < config_.max_trials && !stop_.stop_requested();
  }

  MixedOutcome attempt(const Kept& kept) {
    MixedTrial trial{.kept = kept, .outcome = attempt_(kept)};
    const std::set<std::size_t> in_fp32(kept.begin(), kept.end());
    for (std::size_t i = 0; i < layers_.size(); ++i)
      trial.saved_ms += in_fp32.contains(i) ? 0.0 : layers_[i].saved_ms;
    const MixedOutcome outcome = trial.outcome;
    found_.trials.push_back(std::move(trial));
    const MixedTrial& last = found_.trials.back();
    if (outcome.accepted && (!found_.best || found_.trials[*found_.best].saved_ms < last.saved_ms))
      found_.best = found_.trials.size() - 1;
    return outcome;
  }

  std::optional<std::size_t> shortest_accepted_prefix(const MixedOutcome& full,
                                                      std::size_t longest) {
    std::size_t rejected = 0;  // a prefix of this length is
    std::optional<std::size_t> accepted;
    double aim = noise_left_[0] * full.allowed_noise_share;
    while (may_go_on() && rejected < accepted.value_or(longest + 1) - 1) {
      const std::size_t upper = accepted ? *accepted - 1 : longest;
      const std::size_t length = std::clamp(length_for(aim), rejected + 1, upper);
      const MixedOutcome outcome = attempt(prefix(length));
      if (outcome.accepted) {
        accepted = length;
        // Halfway in decibels.
        aim = std::sqrt(noise_left_[rejected] * noise_left_[length]);
      } else {
        rejected = length;
        aim = noise_left_[length] * outcome.allowed_noise_share;
      }
    }
    return accepted;
  }

  /// Layers that were kept only because others before them in the order had to be.
  void give_back(Kept kept) {
    Kept by_time = kept;
    std::ranges::stable_sort(by_time, std::ranges::greater{},
                             [&](std::size_t i) { return layers_[i].saved_ms; });
    for (const std::size_t layer : by_time) {
      if (!may_go_on() || kept.size() == 1) return;
      if (layers_[layer].saved_ms <= 0.0) return;
      Kept fewer = kept;
      std::erase(fewer, layer);
      const bool is_known = std::ranges::any_of(
          found_.trials, [&](const MixedTrial& trial) { return trial.kept == fewer; });
      if (!is_known && attempt(fewer).accepted) kept = std::move(fewer);
    }
  }

  std::span<const LayerTrade> layers_;
  const TryMixed& attempt_;
  const MixedSearchConfig& config_;
  const std::stop_token stop_;
  Kept order_;
  std::vector<double> noise_left_;
  std::vector<double> saved_left_;
  MixedSearch found_;
};

double share_for_cosine(const AccuracyReport& report, const AccuracyThresholds& thresholds) {
  const double lost = 1.0 - report.cosine_mean;
  const double allowed = 1.0 - thresholds.min_cosine;
  return lost > allowed ? std::max(allowed, 0.0) / lost : 1.0;
}

double share_for_drop(const AccuracyReport& report, const AccuracyThresholds& thresholds) {
  double drop = 0.0;
  if (report.fp32_top1 && report.int8_top1)
    drop = *report.fp32_top1 - *report.int8_top1;
  else if (report.top1_agreement)
    drop = 1.0 - *report.top1_agreement;
  if (drop <= thresholds.max_drop) return 1.0;
  const double ratio = std::max(thresholds.max_drop, 0.0) / drop;
  return ratio * ratio;
}

}  // namespace

std::vector<LayerTrade> layer_trades(const SensitivityReport& report) {
  std::vector<LayerTrade> trades;
  for (const LayerSensitivity& layer : report.layers) {
    LayerTrade trade;
    if (layer.only_int8) trade.noise = layer.only_int8->relative_noise;
    if (layer.fp32_time_share && layer.int8_time_share) {
      trade.saved_ms =
          *layer.fp32_time_share * report.fp32_ms - *layer.int8_time_share * report.int8_ms;
    } else {
      trade.saved_ms = layer.mac_share;  // the unit does not matter, the ratio does
    }
    trades.push_back(trade);
  }
  return trades;
}

MixedSearch search_mixed_precision(std::span<const LayerTrade> layers, const MixedOutcome& full,
                                   const TryMixed& attempt, const MixedSearchConfig& config,
                                   std::stop_token stop) {
  return Search(layers, attempt, config, std::move(stop)).run(full);
}

MixedOutcome outcome_of(const AccuracyReport& report, const AccuracyThresholds& thresholds) {
  if (judge(report, thresholds).accepted()) return {.accepted = true};
  // A model that is rejected for a hair still needs a little less noise.
  constexpr double kAlmost = 0.9;
  const double share =
      std::min(share_for_cosine(report, thresholds), share_for_drop(report, thresholds));
  return {.accepted = false, .allowed_noise_share = std::min(share, kAlmost)};
}

}  // namespace planish
