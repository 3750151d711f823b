// Which layers stay in FP32 so that the rest can be INT8: the search over mixed precision.
//
// The noise of independent layers adds up at the output, and the time that INT8 saves in each adds
// up over the model, nearly. So one measurement per layer gives a first choice: the layers that
// take away enough noise for the least time. What a choice is really worth, in accuracy and in
// time, is measured on the whole model, a few times, and corrects what was known of the layers.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "planish/compare/compare.h"
#include "planish/sensitivity/sensitivity.h"

namespace planish {

/// What is known of a layer before anything is tried.
struct LayerTrade {
  double noise = 0.0;     // at the output, when only this layer is INT8
  double saved_ms = 0.0;  // by INT8, in one run of the model; below 0 when FP32 is faster
};
/// By node times where the report has them, else by multiply-accumulates.
std::vector<LayerTrade> layer_trades(const SensitivityReport& report);

/// What came of one choice.
struct MixedOutcome {
  bool accepted = false;
  /// The share of this model's noise that an accepted one may have; 1 when it is accepted itself.
  double allowed_noise_share = 1.0;
  std::optional<double> saved_ms = {};  // over FP32, measured on the whole model
};
/// Makes, judges and measures the model that keeps `kept` (sorted indices of layers) in FP32.
using TryMixed = std::function<MixedOutcome(std::span<const std::size_t> kept)>;

struct MixedTrial {
  std::vector<std::size_t> kept = {};
  MixedOutcome outcome = {};
  double saved_ms = 0.0;  // as measured; else as predicted by the layers that stay INT8
};

struct MixedSearchConfig {
  std::size_t max_trials = 6;  // calls of TryMixed, each about one evaluation of the model
  /// A model that keeps less of what full INT8 saves than this is not tried: it would hardly be
  /// faster than FP32.
  double min_saved_share = 0.1;
};

struct MixedSearch {
  std::vector<MixedTrial> trials = {};   // in the order in which they were made
  std::optional<std::size_t> best = {};  // of the accepted ones, that which saves most
};

/// Finds the layers without which the model is accepted at the least loss of time: the first guess
/// from `full` (the outcome of full INT8), then by bisection over the noise that may stay; each
/// choice is the best by all that is known then. What was found until `stop` is returned.
MixedSearch search_mixed_precision(std::span<const LayerTrade> layers, const MixedOutcome& full,
                                   const TryMixed& attempt, const MixedSearchConfig& config = {},
                                   std::stop_token stop = {});

/// The share of a model's noise that `thresholds` allow: 1 - cosine grows with the noise power, the
/// share of changed answers with its root. 1 when `report` is accepted.
MixedOutcome outcome_of(const AccuracyReport& report, const AccuracyThresholds& thresholds);

}  // namespace planish
