// Mixed precision in `auto`: when every model of full INT8 lost too much, layers that lose most for
// the time that they save stay in FP32.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "pipeline/auto_run.h"
#include "pipeline/choose.h"
#include "pipeline/mixed.h"
#include "planish/base/parallel.h"

namespace planish::pipeline {
namespace {

/// Of each trial, beside its evaluation: enough to tell models apart by two per cent.
BenchConfig trial_bench(const BenchConfig& shorter) {
  BenchConfig bench = shorter;
  bench.seconds = std::min(bench.seconds, 0.5);
  return bench;
}

}  // namespace

void AutoRun::try_mixed_precision() {
  const bool any = std::ranges::any_of(
      report_.candidates, [](const CandidateReport& c) { return !c.rejected_because.has_value(); });
  const Candidate* const start = start_of_search();
  if (any || !config_.mixed_precision || over_budget() || start == nullptr) return;
  const std::shared_ptr<const RemediedPlan> full = start->plan;
  const CandidateSpec spec = start->spec;
  MixedOutcome outcome = outcome_of(*start->report.accuracy, config_.thresholds);
  // It may be accurate, and too slow.
  if (outcome.accepted) return;
  outcome.saved_ms = saved_ms(start->report);
  report_.sensitivity = analyse_layers(*full);
  // The search also ends when the budget does; what it has found until then counts.
  std::stop_source over;
  const std::stop_callback also(stop_, [&] { over.request_stop(); });
  search_mixed_precision(
      layer_trades(*report_.sensitivity), outcome,
      [&](std::span<const std::size_t> kept) {
        const MixedOutcome tried = try_kept(spec, *full, kept);
        if (over_budget()) over.request_stop();
        return tried;
      },
      {.max_trials = report_.search_cost->trials}, over.get_token());
  throw_if_stopped(stop_);
}

/// The most accurate of those that are nearly as fast as the fastest: what it keeps in FP32 is to
/// cost less than what a slower way would.
const Candidate* AutoRun::start_of_search() const {
  constexpr double kNearlyAsFast = 0.95;
  double fastest = 0.0;
  for (const auto& candidate : candidates_) {
    if (candidate->report.bench) fastest = std::max(fastest, candidate->report.speed_up.median);
  }
  const Candidate* best = nullptr;
  for (const auto& candidate : candidates_) {
    const CandidateReport& report = candidate->report;
    if (!report.bench || !report.accuracy || !report.accuracy->non_finite.empty()) continue;
    if (report.speed_up.median < kNearlyAsFast * fastest) continue;
    if (best == nullptr || report.accuracy->sqnr_db > best->report.accuracy->sqnr_db)
      best = candidate.get();
  }
  return best;
}

SensitivityReport AutoRun::analyse_layers(const RemediedPlan& full) {
  const auto evaluation =
      static_cast<double>(std::max(evaluation_data_->size(), MixedSearchCost::kLeastEvaluation));
  SensitivityConfig config = analysis_within(evaluation);
  config.on_bad_sample = config_.on_bad_sample;
  config.on_cost = [&](const SensitivityCost& analysis) {
    report_.search_cost = search_cost_of(evaluation, analysis.inferences, evaluation_data_->size());
    report_.search_cost->seconds_of_timing =
        2.0 * trial_bench(short_bench()).seconds * static_cast<double>(report_.search_cost->trials);
    if (config_.on_search) config_.on_search(*report_.search_cost);
  };
  return analyze_sensitivity(full.model, full.table,
                             in_named_format(full.plan, full.model, full.table), *calibration_data_,
                             nullptr, config, progress_, stop_);
}

/// Makes, judges, measures and adds the model of `full` that keeps these layers in FP32.
MixedOutcome AutoRun::try_kept(const CandidateSpec& spec, const RemediedPlan& full,
                               std::span<const std::size_t> kept) {
  MixedPrecision mixed{.of = spec.name};
  std::vector<std::string> nodes;
  for (const std::size_t i : kept) {
    const PrecisionLayer& layer = report_.sensitivity->layers[i].layer;
    mixed.layers.push_back(layer.name);
    for (const std::size_t node : layer.nodes) nodes.push_back(full.model.graph.nodes[node].name);
  }
  CandidateSpec without = spec;
  without.name += fmt::format("-mixed{}", ++report_.search_trials);
  Candidate made = make(without, [&](Candidate&) {
    RemediedPlan part = full;
    part.plan = plan_without(full.plan, full.model, full.table, nodes);
    return part;
  });
  explain_kept(made.report, *report_.sensitivity, kept, full.model.graph);
  made.report.mixed = std::move(mixed);
  add_judged(std::move(made));
  Candidate& candidate = *candidates_.back();
  // A model that the runtime refuses says nothing about the others: fewer layers, then.
  if (!candidate.report.accuracy) return {.accepted = false, .allowed_noise_share = 0.5};
  const std::array<Candidate*, 1> timed{&candidate};
  measure(timed, trial_bench(short_bench()));
  MixedOutcome outcome = outcome_of(*candidate.report.accuracy, config_.thresholds);
  outcome.saved_ms = saved_ms(candidate.report);
  return outcome;
}

/// In milliseconds of the first measurement of FP32: ratios of later ones hold, times may drift.
std::optional<double> AutoRun::saved_ms(const CandidateReport& candidate) const {
  if (!candidate.bench || !(candidate.speed_up.median > 0.0)) return std::nullopt;
  return baseline_ms_ * (1.0 - 1.0 / candidate.speed_up.median);
}

}  // namespace planish::pipeline
