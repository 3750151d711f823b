// How fast the candidates of `auto` are, and which one is handed out.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/auto_run.h"
#include "pipeline/choose.h"

namespace planish::pipeline {

BenchReport AutoRun::time(std::span<const BenchSubject> subjects, const BenchConfig& bench) const {
  if (config_.measure) return config_.measure(subjects, bench);
  return bench_interleaved(subjects, bench, steady_clock(), progress_, stop_);
}

BenchConfig AutoRun::short_bench() const {
  // A second finds out what is faster by a few per cent; more would keep the first result waiting.
  constexpr double kMostSeconds = 1.0;
  BenchConfig bench;
  bench.seconds = std::min(config_.bench_seconds / 4, kMostSeconds);
  bench.min_runs = 10;
  return bench;
}

BenchConfig AutoRun::full_bench() const {
  BenchConfig bench;
  bench.seconds = config_.bench_seconds;
  return bench;
}

void AutoRun::measure_all(const BenchConfig& bench) {
  std::vector<Candidate*> all;
  for (const auto& candidate : candidates_) all.push_back(candidate.get());
  measure(all, bench);
}

void AutoRun::measure(std::span<Candidate* const> which, const BenchConfig& bench) {
  std::vector<BenchSubject> subjects{
      inference_subject(report_.baseline.name, *baseline_, bench_inputs_, config_.batch)};
  std::vector<CandidateReport*> measured{&report_.baseline};
  for (Candidate* candidate : which) {
    if (!candidate->session) continue;
    subjects.push_back(inference_subject(candidate->report.name, *candidate->session, bench_inputs_,
                                         config_.batch));
    measured.push_back(&candidate->report);
  }
  report_.bench = time(subjects, bench);
  for (std::size_t i = 0; i < measured.size(); ++i) measured[i]->bench = report_.bench.results[i];
  if (baseline_ms_ == 0.0) baseline_ms_ = report_.baseline.bench->latency_ms.p50;
  for (CandidateReport* report : measured)
    report->speed_up = speed_up(*report_.baseline.bench, *report->bench);
  reject_slow();
  choose_candidate();
  offer_chosen();
}

/// Noise must not sell a slower model: the whole interval has to lie above 1, or that of a
/// candidate of the same operators. What an earlier measurement said counts no more.
void AutoRun::reject_slow() {
  for (const auto& candidate : candidates_) {
    CandidateReport& report = candidate->report;
    if (candidate->is_too_slow) report.rejected_because.reset();
    candidate->is_too_slow = false;
    if (!report.bench || report.rejected_because) continue;
    const bool is_faster = std::ranges::any_of(candidates_, [&](const auto& other) {
      return other->report.bench && operators_of(other->report) == operators_of(report) &&
             other->report.speed_up.low > 1.0;
    });
    if (is_faster) continue;
    candidate->is_too_slow = true;
    report.rejected_because =
        fmt::format("not faster than FP32: {:.2f}x (95 % interval {:.2f} to {:.2f})",
                    report.speed_up.median, report.speed_up.low, report.speed_up.high);
  }
}

void AutoRun::choose_candidate() {
  report_.candidates.clear();
  for (const auto& candidate : candidates_) report_.candidates.push_back(candidate->report);
  report_.chosen = choose(report_.candidates);
}

void AutoRun::offer_chosen() {
  if (!config_.on_better || !report_.chosen || chosen()->report.sha256 == offered_) return;
  offered_ = chosen()->report.sha256;
  config_.on_better(result_so_far(RunState::kRunning));
}

void AutoRun::measure_end_to_end() {
  if (config_.on_bad_sample == OnBadSample::kSkip && !report_.bad_samples.empty()) return;
  Session& handed_out = report_.chosen ? *chosen()->session : *baseline_;
  const std::vector<BenchSubject> subjects{
      end_to_end_subject("fp32", *evaluation_data_, baseline_.get()),
      end_to_end_subject("chosen", *evaluation_data_, &handed_out),
      end_to_end_subject("preprocess", *evaluation_data_, nullptr)};
  BenchConfig bench;
  bench.seconds = config_.bench_seconds / 2;
  BenchReport result = time(subjects, bench);
  report_.end_to_end = EndToEndReport{std::move(result.results[0]), std::move(result.results[1]),
                                      std::move(result.results[2])};
}

void AutoRun::profile() {
  ProfileConfig profile_config;
  profile_config.session = session_config();
  report_.baseline_operators =
      times_by_operator(profile_nodes(source_, bench_inputs_, profile_config));
  if (!report_.chosen) return;
  report_.chosen_operators =
      times_by_operator(profile_nodes(chosen()->model, bench_inputs_, profile_config));
}

void AutoRun::tune() {
  const Model* const models[] = {&source_, report_.chosen ? &chosen()->model : nullptr};
  std::vector<std::string> names = {report_.baseline.name};
  if (report_.chosen) names.push_back(chosen()->report.name);
  const auto open = [&](std::size_t model, const SessionConfig& session) {
    return std::shared_ptr<Session>(open_session(*models[model], session));
  };
  const auto inputs_of = [this](std::size_t batch) { return read_inputs(batch); };
  report_.sweep =
      sweep(std::move(names), *config_.tune, session_meter(open, inputs_of), progress_, stop_);
}

}  // namespace planish::pipeline
