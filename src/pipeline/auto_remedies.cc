// Remedies in `auto`: what wins accuracy back at the same speed.
#include <algorithm>
#include <array>

#include "pipeline/auto_run.h"

namespace planish::pipeline {

/// On the fastest way to static INT8, accurate or not: remedies cost no speed.
void AutoRun::try_remedies() {
  if (!config_.remedies) return;
  const Candidate* const fastest = fastest_static();
  if (fastest == nullptr) return;
  const CandidateSpec way = fastest->spec;
  if (matrices_matter(report_.inspection)) add_judged(make(smoothed(way)));
  // Equalization first: where it finds nothing to do, the other is the same model.
  Candidate with_equalization = make(equalized(way));
  const bool is_equalized = !with_equalization.session || with_equalization.equalized_sets > 0;
  add_judged(is_equalized ? make(remedied(way)) : std::move(with_equalization));
  if (is_equalized) {
    add_judged(std::move(with_equalization));
  } else {
    Candidate& candidate = *candidates_.back();
    candidate.spec = remedied(way);
    candidate.report.name = candidate.spec.name;
    candidate.report.remedies->applied = names_of(candidate.spec.remedies);
  }
  measure_all(short_bench());
}

/// When another way proves faster than the one that the short run found: remedies on that one,
/// and all measured once more, side by side.
void AutoRun::remedy_chosen() {
  if (!config_.remedies || !report_.chosen || over_budget()) return;
  const CandidateSpec way = chosen()->spec;
  const bool is_done = std::ranges::any_of(
      candidates_, [&](const auto& c) { return c->spec.remedied_from == way.name; });
  const bool is_mixed = chosen()->report.mixed.has_value();
  if (way.method != Method::kStatic || way.remedies.any() || is_done || is_mixed) return;
  add_judged(make(remedied(way)));
  measure_all(full_bench());
}

/// By the measurement that came before: the first, unless another's interval lies above it.
const Candidate* AutoRun::fastest_static() const {
  const Candidate* fastest = nullptr;
  for (const auto& candidate : candidates_) {
    if (!candidate->session || candidate->report.method != Method::kStatic) continue;
    const bool is_first = fastest == nullptr;
    if (is_first || speed_up(*fastest->report.bench, *candidate->report.bench).low > 1.0)
      fastest = candidate.get();
  }
  return fastest;
}

RemediedPlan AutoRun::remedied_plan(Candidate& candidate) {
  const auto start = std::chrono::steady_clock::now();
  CalibrateConfig calibration = calibrate_config();
  // Smoothing has made outliers cheap; to cut off what is left of them cost MiniLM 7 dB.
  if (candidate.spec.remedies.smooth && calibration.method == CalibrationMethod::kAuto)
    calibration.method = CalibrationMethod::kMinMax;
  RemediedPlan made = plan_with_remedies(prepared_, *calibration_data_, candidate.spec.config,
                                         calibration, candidate.spec.remedies, progress_, stop_);
  if (made.report.equalize) candidate.equalized_sets = made.report.equalize->equalized();
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  candidate.report.remedies =
      RemediesUsed{.of = candidate.spec.remedied_from,
                   .applied = names_of(candidate.spec.remedies),
                   .muls_added = made.report.smooth ? made.report.smooth->muls_added() : 0,
                   .seconds = spent.count()};
  return made;
}

void AutoRun::measure_gain(CandidateReport& report) const {
  RemediesUsed& remedies = *report.remedies;
  for (const auto& other : candidates_) {
    if (other->report.name != remedies.of || !other->report.accuracy) continue;
    remedies.sqnr_gain_db = report.accuracy->sqnr_db - other->report.accuracy->sqnr_db;
    remedies.cosine_gain = report.accuracy->cosine_mean - other->report.accuracy->cosine_mean;
  }
}

}  // namespace planish::pipeline
