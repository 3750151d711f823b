#include "planish/sensitivity/search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "sensitivity/choose_layers.h"

namespace planish {
namespace {

using sensitivity_detail::cheapest_layers;
using Kept = std::vector<std::size_t>;

class Search {
 public:
  Search(std::span<const LayerTrade> layers, const TryMixed& attempt,
         const MixedSearchConfig& config, std::stop_token stop)
      : layers_(layers.begin(), layers.end()),
        attempt_(attempt),
        config_(config),
        stop_(std::move(stop)) {}

  MixedSearch run(const MixedOutcome& full) {
    if (full.accepted || layers_.empty()) return std::move(found_);
    scale_to(full);
    rejected_noise_ = noise_without({});
    double aim = rejected_noise_ * full.allowed_noise_share;
    while (may_go_on()) {
      const std::optional<Kept> kept = next_choice(aim);
      if (!kept) break;
      const MixedOutcome outcome = attempt(*kept);
      const double noise = noise_without(*kept);
      if (outcome.accepted) {
        accepted_noise_ = std::max(accepted_noise_.value_or(0.0), noise);
      } else {
        rejected_noise_ = std::min(rejected_noise_, noise);
      }
      // Halfway in decibels where both sides are known; else as far as the rejected model says.
      aim = outcome.accepted || accepted_noise_
                ? std::sqrt(accepted_noise_.value_or(noise) * rejected_noise_)
                : noise * outcome.allowed_noise_share;
    }
    return std::move(found_);
  }

 private:
  /// What INT8 saves in the whole model is measured better than what it saves in a layer.
  void scale_to(const MixedOutcome& full) {
    const double predicted = saved_without({});
    if (full.saved_ms && *full.saved_ms > 0.0 && predicted > 0.0) {
      for (LayerTrade& layer : layers_) layer.saved_ms *= *full.saved_ms / predicted;
    }
    saved_by_full_ = saved_without({});
  }

  [[nodiscard]] double noise_without(const Kept& kept) const {
    return left_of(kept, &LayerTrade::noise);
  }
  [[nodiscard]] double saved_without(const Kept& kept) const {
    return left_of(kept, &LayerTrade::saved_ms);
  }
  [[nodiscard]] double left_of(const Kept& kept, double LayerTrade::*member) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < layers_.size(); ++i)
      sum += std::ranges::binary_search(kept, i) ? 0.0 : layers_[i].*member;
    return sum;
  }

  [[nodiscard]] bool may_go_on() const {
    return found_.trials.size() < config_.max_trials && !stop_.stop_requested();
  }

  /// A choice that was not tried yet and would beat the best one: at `aim`; else at the noise that
  /// is known to be accepted, since times are known better now; else nearer to what was rejected.
  [[nodiscard]] std::optional<Kept> next_choice(double aim) const {
    if (auto kept = worth_trying(aim)) return kept;
    if (accepted_noise_) {
      if (auto kept = worth_trying(*accepted_noise_)) return kept;
    }
    for (double noise = aim; noise < rejected_noise_;) {
      noise = std::min(1.1 * noise + 1e-3 * rejected_noise_, rejected_noise_);
      if (auto kept = worth_trying(std::nextafter(noise, 0.0))) return kept;
    }
    return std::nullopt;
  }

  [[nodiscard]] std::optional<Kept> worth_trying(double noise) const {
    Kept kept = cheapest_layers(layers_, noise);
    const double saved = saved_without(kept);
    const bool is_known = std::ranges::any_of(
        found_.trials, [&](const MixedTrial& trial) { return trial.kept == kept; });
    const bool keeps_speed = saved >= config_.min_saved_share * saved_by_full_;
    // The noise of fewer layers was too much.
    const bool is_hopeless = std::ranges::any_of(found_.trials, [&](const MixedTrial& trial) {
      return !trial.outcome.accepted && std::ranges::includes(trial.kept, kept);
    });
    const bool beats_best = !found_.best || saved > found_.trials[*found_.best].saved_ms;
    if (kept.empty() || is_known || !keeps_speed || is_hopeless || !beats_best) return std::nullopt;
    return kept;
  }

  MixedOutcome attempt(const Kept& kept) {
    MixedTrial trial{.kept = kept, .outcome = attempt_(kept)};
    const MixedOutcome outcome = trial.outcome;
    if (outcome.saved_ms) learn(kept, *outcome.saved_ms);
    trial.saved_ms = outcome.saved_ms.value_or(saved_without(kept));
    found_.trials.push_back(std::move(trial));
    if (outcome.accepted &&
        (!found_.best || found_.trials[*found_.best].saved_ms < found_.trials.back().saved_ms))
      found_.best = found_.trials.size() - 1;
    return outcome;
  }

  /// Corrects the layers of `kept` so that they explain what the whole model saves (Kaczmarz,
  /// 1937): each in proportion to what it is thought to save, and a little whatever that is, since
  /// a layer in FP32 also costs the conversions around it.
  void learn(const Kept& kept, double saved_ms) {
    const double missing = saved_without(kept) - saved_ms;
    double sum = 0.0;
    for (const std::size_t i : kept) sum += std::abs(layers_[i].saved_ms);
    const double share = std::max(sum, 1e-9) / static_cast<double>(kept.size());
    const double weights = sum + share * static_cast<double>(kept.size());
    for (const std::size_t i : kept)
      layers_[i].saved_ms += missing * (std::abs(layers_[i].saved_ms) + share) / weights;
  }

  std::vector<LayerTrade> layers_;
  const TryMixed& attempt_;
  const MixedSearchConfig& config_;
  const std::stop_token stop_;
  double saved_by_full_ = 0.0;
  std::optional<double> accepted_noise_ = {};  // the most that was accepted
  double rejected_noise_ = 0.0;                // the least that was rejected
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
