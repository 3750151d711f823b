// One walk from a model file to an AutoResult: its state, and its steps in the order of the walk.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/candidates.h"
#include "planish/base/error.h"
#include "planish/base/parallel.h"
#include "planish/pipeline/auto.h"
#include "planish/runtime/session.h"
#include "planish/sensitivity/search.h"

namespace planish::pipeline {

/// A candidate while it is being made: its model and the session that runs it.
struct Candidate {
  CandidateReport report = {};
  CandidateSpec spec = {};
  Model model = {};
  std::unique_ptr<Session> session = {};  // null: it was not made, or does not run
  std::size_t equalized_sets = 0;
  std::shared_ptr<const RemediedPlan> plan = {};  // that `model` was made by
  bool is_too_slow = false;  // report.rejected_because is what the last measurement said
};

class AutoRun {
 public:
  AutoRun(const std::filesystem::path& path, const AutoConfig& config, const ProgressSink& progress,
          std::stop_token stop);

  AutoResult run();

 private:
  /// Everything up to the choice. @throws Error(kCancelled), with what was found in candidates_.
  void search();

  // auto_source.cc: the source, its samples, its ranges.
  void load();
  void prove();
  /// The first samples that can be read, stacked to a batch.
  [[nodiscard]] std::vector<NamedTensor> read_inputs(std::size_t batch) const;
  void inspect();
  void prepare_source();
  void calibrate_prepared();
  [[nodiscard]] CalibrateConfig calibrate_config() const;
  [[nodiscard]] DatasetConfig dataset_config(std::size_t max_samples) const;

  // auto_candidates.cc: models are made and judged.
  void make_candidates();
  void judge_candidates();
  /// Quantizes and proves that the result loads and infers; a failure is a rejection, not an error:
  /// the other candidates may still be good.
  Candidate make(const CandidateSpec& spec);
  Candidate make(const CandidateSpec& spec,
                 const std::function<RemediedPlan(Candidate&)>& plan_for);
  void judge_one(Candidate& candidate);
  void add_judged(Candidate candidate);

  // auto_remedies.cc: accuracy at the same speed.
  void try_remedies();
  void remedy_chosen();
  [[nodiscard]] const Candidate* fastest_static() const;
  RemediedPlan remedied_plan(Candidate& candidate);
  void measure_gain(CandidateReport& report) const;

  // auto_mixed.cc: layers that stay FP32.
  void try_mixed_precision();
  [[nodiscard]] const Candidate* start_of_search() const;
  SensitivityReport analyse_layers(const RemediedPlan& full);
  MixedOutcome try_kept(const CandidateSpec& spec, const RemediedPlan& full,
                        std::span<const std::size_t> kept);
  [[nodiscard]] std::optional<double> saved_ms(const CandidateReport& candidate) const;

  // auto_measure.cc: how fast, and which.
  /// FP32 and these, in one interleaved run of `seconds` each. Inaccurate ones are measured too:
  /// that they are fast tells the user what accuracy would be worth.
  void measure(std::span<Candidate* const> which, const BenchConfig& bench);
  void measure_all(const BenchConfig& bench);
  void reject_slow();
  BenchReport time(std::span<const BenchSubject> subjects, const BenchConfig& bench) const;
  /// Long enough to choose what to go on with.
  [[nodiscard]] BenchConfig short_bench() const;
  [[nodiscard]] BenchConfig full_bench() const;
  void choose_candidate();
  void offer_chosen();
  void measure_end_to_end();
  void profile();
  void tune();

  template <typename Body>
  void stage(std::string_view name, const Body& body) {
    throw_if_stopped(stop_);
    if (progress_) progress_(ProgressEvent{name, 0, 0});
    const auto start = std::chrono::steady_clock::now();
    in_context(name, body);
    report_.stage_seconds[std::string(name)] +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  [[nodiscard]] bool over_budget() const;
  [[nodiscard]] SessionConfig session_config() const;
  [[nodiscard]] Candidate* chosen();
  [[nodiscard]] AutoResult result_so_far(RunState state) const;
  void show_worst(const Candidate& candidate, AutoReport& report) const;

  const std::filesystem::path path_;
  const AutoConfig& config_;
  const ProgressSink& progress_;
  const std::stop_token stop_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();

  AutoReport report_;
  Model source_;
  Model prepared_;
  std::unique_ptr<Session> baseline_;
  std::unique_ptr<Dataset> calibration_data_;
  std::unique_ptr<Dataset> evaluation_data_;
  std::optional<Labels> labels_;
  std::vector<NamedTensor> bench_inputs_;
  std::vector<CandidateSpec> specs_;
  CalibrationTable table_;
  /// Boxed, so that adding one moves none.
  std::vector<std::unique_ptr<Candidate>> candidates_;
  std::unique_ptr<Session> reference_;         // FP32, of one thread; none: baseline_ is
  std::optional<Comparison> comparison_ = {};  // with it
  double baseline_ms_ = 0.0;                   // of the first measurement, p50
  std::string offered_ = {};                   // sha256 of what on_better was last told
};

}  // namespace planish::pipeline
