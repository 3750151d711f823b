#include "planish/pipeline/auto.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <set>

#include "advice.h"
#include "candidates.h"
#include "choose.h"
#include "front.h"
#include "mixed.h"
#include "planish/base/error.h"
#include "planish/base/parallel.h"
#include "planish/calibrate/calibrate.h"
#include "planish/import/import.h"
#include "planish/onnx/onnx.h"
#include "planish/runtime/session.h"
#include "planish/sensitivity/search.h"

namespace planish {
namespace {

using pipeline::CandidateSpec;

/// One walk from a model file to an AutoResult. Each step is one method, called once, in order.
class AutoRun {
 public:
  AutoRun(const std::filesystem::path& path, const AutoConfig& config, const ProgressSink& progress,
          std::stop_token stop)
      : path_(path), config_(config), progress_(progress), stop_(std::move(stop)) {
    report_.config = config;
    report_.source_path = path.string();
    report_.runtime_version = runtime_version();
    report_.host = describe_host();
    report_.target = config.target.value_or(target_of_isa(report_.host.isa));
  }

  AutoResult run() {
    stage("load", [&] { load(); });
    stage("prove", [&] { prove(); });
    stage("inspect", [&] { inspect(); });
    stage("prepare", [&] { prepare_source(); });
    stage("calibrate", [&] { calibrate_prepared(); });
    stage("candidates", [&] { make_candidates(); });
    stage("compare", [&] { judge_candidates(); });
    stage("remedies", [&] { try_remedies(); });
    stage("mixed precision", [&] { try_mixed_precision(); });
    stage("bench", [&] { measure(); });
    report_.chosen = choose_candidate();
    stage("remedies of the chosen", [&] { remedy_chosen(); });
    report_.front = pipeline::pareto_front(report_);
    stage("end to end", [&] { measure_end_to_end(); });
    stage("profile", [&] { profile(); });
    report_.advice = pipeline::advice_for(report_);
    return finish();
  }

 private:
  /// A candidate while it is being made: its model and the session that runs it.
  struct Candidate {
    CandidateReport report = {};
    CandidateSpec spec = {};
    Model model = {};
    std::unique_ptr<Session> session = {};
    std::size_t equalized_sets = 0;
    std::shared_ptr<const RemediedPlan> plan = {};  // that `model` was made by
  };

  template <typename Body>
  void stage(std::string_view name, const Body& body) {
    throw_if_stopped(stop_);
    if (progress_) progress_(ProgressEvent{name, 0, 0});
    const auto start = std::chrono::steady_clock::now();
    in_context(name, body);
    report_.stage_seconds[std::string(name)] +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  [[nodiscard]] bool over_budget() const {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
    return spent.count() > config_.budget_seconds;
  }

  [[nodiscard]] SessionConfig session_config() const {
    SessionConfig session;
    session.threads = config_.threads;
    return session;
  }

  [[nodiscard]] DatasetConfig dataset_config(std::size_t max_samples) const {
    DatasetConfig data;
    data.preprocess = config_.preprocess;
    data.on_bad_sample = config_.on_bad_sample;
    data.max_samples = max_samples;
    return data;
  }

  void load() {
    source_ = load_any_model(path_);
    report_.source_sha256 = digest_of(source_);
    report_.baseline.name = "fp32";
    report_.baseline.sha256 = report_.source_sha256;
    report_.baseline.bytes = size_of(source_);
  }

  /// The source loads and infers on the user's data, or nothing else is worth trying.
  void prove() {
    baseline_ = open_session(source_, session_config());
    const Signature& signature = baseline_->signature();
    calibration_data_ =
        open_dataset(config_.data, signature, dataset_config(config_.max_calibration_samples));
    evaluation_data_ =
        config_.eval_data
            ? open_dataset(*config_.eval_data, signature, dataset_config(config_.max_eval_samples))
            : open_dataset(config_.data, signature, dataset_config(config_.max_eval_samples));
    if (config_.labels) {
      labels_ = Labels::load(*config_.labels);
      labels_->require_match(*evaluation_data_);
    }
    read_bench_inputs();
    baseline_->run(bench_inputs_);
    report_.data_sha256 = calibration_data_->digest();
  }

  /// The first samples that can be read, stacked to the batch that speed is measured with.
  void read_bench_inputs() {
    std::vector<Sample> samples;
    std::optional<Error> first_failure;
    for (std::size_t i = 0; i < evaluation_data_->size() && samples.size() < config_.batch; ++i) {
      try {
        samples.push_back(evaluation_data_->read(i));
      } catch (const Error& error) {
        if (config_.on_bad_sample == OnBadSample::kFail) throw;
        if (!first_failure) first_failure = error;
      }
    }
    if (samples.empty() && first_failure) throw *first_failure;
    bench_inputs_ = stack_samples(samples, config_.batch);
  }

  void inspect() {
    report_.inspection = inspect_model(source_, {.dims = {}, .target = report_.target});
    if (report_.inspection.already_quantized) {
      throw Error(ErrorCode::kUnsupported,
                  "the model is quantized already; expected the FP32 model it was made from "
                  "(`planish quantize` fits a quantized model to a CPU)");
    }
  }

  void prepare_source() {
    PrepareConfig prepare_config;
    prepare_config.progress = progress_;
    prepare_config.stop = stop_;
    Prepared prepared = prepare(source_, prepare_config);
    prepared_ = std::move(prepared.model);
    report_.preparation = std::move(prepared.report);
  }

  void calibrate_prepared() {
    specs_ = pipeline::candidate_specs(report_.inspection, report_.target, prepared_.graph);
    std::set<std::string> targets;
    for (const CandidateSpec& spec : specs_) {
      if (spec.method != Method::kStatic) continue;
      for (std::string& name : calibration_targets(prepared_, spec.config))
        targets.insert(std::move(name));
    }
    const std::vector<std::string> names(targets.begin(), targets.end());
    CalibrationReport result =
        calibrate(prepared_, *calibration_data_, names, calibrate_config(), progress_, stop_);
    table_ = std::move(result.table);
    report_.bad_samples = std::move(result.bad_samples);
    report_.calibration_samples = table_.samples;
  }

  [[nodiscard]] CalibrateConfig calibrate_config() const {
    CalibrateConfig calibration;
    calibration.method = config_.calibration_method;
    calibration.options = config_.range_options;
    calibration.on_bad_sample = config_.on_bad_sample;
    return calibration;
  }

  void make_candidates() {
    for (const CandidateSpec& spec : specs_) candidates_.push_back(make(spec));
  }

  /// Quantizes and proves that the result loads and infers; a failure is a rejection, not an error:
  /// the other candidates may still be good.
  Candidate make(const CandidateSpec& spec) {
    return make(spec, [&](Candidate& candidate) {
      if (spec.remedies.any()) return remedied_plan(candidate);
      return RemediedPlan{.model = prepared_,
                          .table = table_,
                          .plan = plan_quantization(prepared_, table_, spec.config)};
    });
  }

  /// The same from `plan_for(candidate)`.
  Candidate make(const CandidateSpec& spec,
                 const std::function<RemediedPlan(Candidate&)>& plan_for) {
    throw_if_stopped(stop_);
    Candidate candidate;
    candidate.spec = spec;
    CandidateReport& report = candidate.report;
    report.name = spec.name;
    report.method = spec.method;
    report.format =
        spec.method == Method::kDynamic ? "qoperator" : std::string(name_of(spec.config.format));
    if (over_budget()) {
      report.rejected_because =
          fmt::format("not tried: the budget of {:.0f} s is spent", config_.budget_seconds);
      return candidate;
    }
    try {
      candidate.plan = std::make_shared<const RemediedPlan>(plan_for(candidate));
      describe(*candidate.plan, report);
      candidate.model = apply(candidate.plan->plan, candidate.plan->model);
      report.sha256 = digest_of(candidate.model);
      report.bytes = size_of(candidate.model);
      candidate.session = open_session(candidate.model, session_config());
      candidate.session->run(bench_inputs_);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kCancelled || error.code() == ErrorCode::kInternal) throw;
      report.rejected_because = error.what();
      candidate.session.reset();
    }
    return candidate;
  }

  RemediedPlan remedied_plan(Candidate& candidate) {
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
                     .applied = pipeline::names_of(candidate.spec.remedies),
                     .muls_added = made.report.smooth ? made.report.smooth->muls_added() : 0,
                     .seconds = spent.count()};
    return made;
  }

  /// Bytes of the file, its weights included, as save_model would write it.
  static std::uint64_t size_of(const Model& model) {
    std::uint64_t weights = 0;
    for (const Initializer& initializer : model.graph.initializers)
      weights += initializer.value.bytes().size();
    // Beyond protobuf's limit the weights are the size, to a thousandth.
    return weights > (std::uint64_t{1} << 30) ? weights : serialize_model(model).size();
  }

  static void describe(const RemediedPlan& made, CandidateReport& report);

  void judge_candidates() {
    // One session of one thread for each side, samples side by side: deterministic, and all cores
    // work.
    if (config_.threads != 1) reference_ = open_session(source_, single_thread());
    CompareConfig compare_config;
    compare_config.threads = report_.host.cores_usable;
    compare_config.on_bad_sample = config_.on_bad_sample;
    comparison_.emplace(reference_ ? *reference_ : *baseline_, *evaluation_data_,
                        labels_ ? &*labels_ : nullptr, compare_config);
    for (Candidate& candidate : candidates_) judge_one(candidate);
  }

  static SessionConfig single_thread() {
    SessionConfig session;
    session.threads = 1;
    return session;
  }

  /// On the fastest way to static INT8, accurate or not: remedies cost no speed.
  void try_remedies() {
    if (!config_.remedies) return;
    const Candidate* const fastest = fastest_static();
    if (fastest == nullptr) return;
    const CandidateSpec way = fastest->spec;
    if (pipeline::matrices_matter(report_.inspection)) add_judged(make(pipeline::smoothed(way)));
    // Equalization first: where it finds nothing to do, the other is the same model.
    Candidate equalized = make(pipeline::equalized(way));
    const bool is_equalized = !equalized.session || equalized.equalized_sets > 0;
    add_judged(is_equalized ? make(pipeline::remedied(way)) : std::move(equalized));
    if (is_equalized) {
      add_judged(std::move(equalized));
    } else {
      Candidate& candidate = candidates_.back();
      candidate.spec = pipeline::remedied(way);
      candidate.report.name = candidate.spec.name;
      candidate.report.remedies->applied = pipeline::names_of(candidate.spec.remedies);
    }
  }

  /// When another way proves faster than the one that the short run found: remedies on that one,
  /// and all measured once more, side by side.
  void remedy_chosen() {
    if (!config_.remedies || !report_.chosen || over_budget()) return;
    const CandidateSpec way = candidates_[*report_.chosen].spec;
    const bool is_done = std::ranges::any_of(
        candidates_, [&](const Candidate& c) { return c.spec.remedied_from == way.name; });
    const bool is_mixed = candidates_[*report_.chosen].report.mixed.has_value();
    if (way.method != Method::kStatic || way.remedies.any() || is_done || is_mixed) return;
    add_judged(make(pipeline::remedied(way)));
    measure();
    report_.chosen = choose_candidate();
  }

  /// By a short interleaved run: the measured one comes when all candidates are there.
  const Candidate* fastest_static() {
    std::vector<const Candidate*> ways;
    std::vector<BenchSubject> subjects;
    for (const Candidate& candidate : candidates_) {
      if (!candidate.session || candidate.report.method != Method::kStatic) continue;
      ways.push_back(&candidate);
      subjects.push_back(inference_subject(candidate.report.name, *candidate.session, bench_inputs_,
                                           config_.batch));
    }
    if (ways.size() < 2) return ways.empty() ? nullptr : ways.front();
    BenchConfig bench;
    bench.seconds = config_.bench_seconds / 4;
    const BenchReport run = bench_interleaved(subjects, bench, steady_clock(), progress_, stop_);
    std::size_t best = 0;
    for (std::size_t i = 1; i < ways.size(); ++i) {
      if (speed_up(run.results[best], run.results[i]).low > 1.0) best = i;
    }
    return ways[best];
  }

  void add_judged(Candidate candidate) {
    judge_one(candidate);
    if (candidate.report.remedies && candidate.report.accuracy) measure_gain(candidate.report);
    candidates_.push_back(std::move(candidate));
  }

  void measure_gain(CandidateReport& report) const {
    RemediesUsed& remedies = *report.remedies;
    for (const Candidate& other : candidates_) {
      if (other.report.name != remedies.of || !other.report.accuracy) continue;
      remedies.sqnr_gain_db = report.accuracy->sqnr_db - other.report.accuracy->sqnr_db;
      remedies.cosine_gain = report.accuracy->cosine_mean - other.report.accuracy->cosine_mean;
    }
  }

  /// When every model of full INT8 lost too much: layers that lose most stay in FP32.
  void try_mixed_precision() {
    const bool any = std::ranges::any_of(
        candidates_, [](const Candidate& c) { return !c.report.rejected_because.has_value(); });
    if (any || !config_.mixed_precision || over_budget()) return;
    const std::optional<std::size_t> best = most_accurate();
    if (!best) return;
    const std::shared_ptr<const RemediedPlan> full = candidates_[*best].plan;
    const CandidateSpec spec = candidates_[*best].spec;
    const MixedOutcome outcome =
        outcome_of(*candidates_[*best].report.accuracy, config_.thresholds);
    report_.sensitivity = analyze_sensitivity(
        full->model, full->table, pipeline::in_named_format(full->plan, full->model, full->table),
        *calibration_data_, nullptr, analysis_config(), progress_, stop_);
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
        {}, over.get_token());
    throw_if_stopped(stop_);
  }

  [[nodiscard]] SensitivityConfig analysis_config() const {
    // With the trials of MixedSearchConfig, fewer than ten evaluations.
    constexpr double kEvaluations = 3.0;
    SensitivityConfig config = pipeline::analysis_within(kEvaluations, evaluation_data_->size());
    config.on_bad_sample = config_.on_bad_sample;
    return config;
  }

  [[nodiscard]] std::optional<std::size_t> most_accurate() const {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      const Candidate& candidate = candidates_[i];
      if (!candidate.session || !candidate.report.accuracy) continue;
      if (!best || candidate.report.accuracy->sqnr_db > candidates_[*best].report.accuracy->sqnr_db)
        best = i;
    }
    return best;
  }

  /// Makes, judges and adds the model of `full` that keeps these layers in FP32.
  MixedOutcome try_kept(const CandidateSpec& spec, const RemediedPlan& full,
                        std::span<const std::size_t> kept) {
    MixedPrecision mixed{.of = spec.name};
    std::vector<std::string> nodes;
    for (const std::size_t i : kept) {
      const PrecisionLayer& layer = report_.sensitivity->layers[i].layer;
      mixed.layers.push_back(layer.name);
      for (const std::size_t node : layer.nodes) nodes.push_back(full.model.graph.nodes[node].name);
    }
    CandidateSpec without = spec;
    without.name += fmt::format("-mixed{}", ++mixed_trials_);
    Candidate candidate = make(without, [&](Candidate&) {
      RemediedPlan part = full;
      part.plan = plan_without(full.plan, full.model, full.table, nodes);
      return part;
    });
    pipeline::explain_kept(candidate.report, *report_.sensitivity, kept, full.model.graph);
    candidate.report.mixed = std::move(mixed);
    add_judged(std::move(candidate));
    const std::optional<AccuracyReport>& accuracy = candidates_.back().report.accuracy;
    // A model that the runtime refuses says nothing about the others: fewer layers, then.
    return accuracy ? outcome_of(*accuracy, config_.thresholds)
                    : MixedOutcome{.accepted = false, .allowed_noise_share = 0.5};
  }

  void judge_one(Candidate& candidate) {
    if (!candidate.session) return;
    throw_if_stopped(stop_);
    std::unique_ptr<Session> other;
    if (config_.threads != 1) other = open_session(candidate.model, single_thread());
    Session& session = other ? *other : *candidate.session;
    candidate.report.accuracy = comparison_->compare(session, progress_, stop_);
    const Verdict verdict = judge(*candidate.report.accuracy, config_.thresholds);
    if (!verdict.accepted()) candidate.report.rejected_because = verdict.failures.front();
  }

  /// Baseline and candidates in one interleaved run. Inaccurate ones are measured too: that they
  /// are fast tells the user what accuracy would be worth.
  void measure() {
    std::vector<BenchSubject> subjects{
        inference_subject(report_.baseline.name, *baseline_, bench_inputs_, config_.batch)};
    std::vector<CandidateReport*> measured{&report_.baseline};
    for (Candidate& candidate : candidates_) {
      if (!candidate.session) continue;
      subjects.push_back(inference_subject(candidate.report.name, *candidate.session, bench_inputs_,
                                           config_.batch));
      measured.push_back(&candidate.report);
    }
    BenchConfig bench;
    bench.seconds = config_.bench_seconds;
    report_.bench = bench_interleaved(subjects, bench, steady_clock(), progress_, stop_);
    for (std::size_t i = 0; i < measured.size(); ++i) measured[i]->bench = report_.bench.results[i];
    for (CandidateReport* candidate : measured)
      candidate->speed_up = speed_up(*report_.baseline.bench, *candidate->bench);
    for (CandidateReport* candidate : measured) {
      // Noise must not sell a slower model: the whole interval has to lie above 1, or that of a
      // candidate of the same operators.
      const bool is_faster = std::ranges::any_of(measured, [&](const CandidateReport* other) {
        return pipeline::operators_of(*other) == pipeline::operators_of(*candidate) &&
               other->speed_up.low > 1.0;
      });
      if (candidate == &report_.baseline || candidate->rejected_because || is_faster) continue;
      candidate->rejected_because = fmt::format(
          "not faster than FP32: {:.2f}x (95 % interval {:.2f} to {:.2f})",
          candidate->speed_up.median, candidate->speed_up.low, candidate->speed_up.high);
    }
  }

  std::optional<std::size_t> choose_candidate() {
    report_.candidates.clear();
    for (const Candidate& candidate : candidates_) report_.candidates.push_back(candidate.report);
    return pipeline::choose(report_.candidates);
  }

  [[nodiscard]] Session& chosen_session() {
    return report_.chosen ? *candidates_[*report_.chosen].session : *baseline_;
  }

  void measure_end_to_end() {
    const std::vector<BenchSubject> subjects{
        end_to_end_subject("fp32", *evaluation_data_, baseline_.get()),
        end_to_end_subject("chosen", *evaluation_data_, &chosen_session()),
        end_to_end_subject("preprocess", *evaluation_data_, nullptr)};
    BenchConfig bench;
    bench.seconds = config_.bench_seconds / 2;
    if (config_.on_bad_sample == OnBadSample::kSkip && !report_.bad_samples.empty()) return;
    BenchReport result = bench_interleaved(subjects, bench, steady_clock(), progress_, stop_);
    report_.end_to_end = EndToEndReport{std::move(result.results[0]), std::move(result.results[1]),
                                        std::move(result.results[2])};
  }

  void profile() {
    ProfileConfig profile_config;
    profile_config.session = session_config();
    report_.baseline_operators =
        times_by_operator(profile_nodes(source_, bench_inputs_, profile_config));
    if (!report_.chosen) return;
    report_.chosen_operators = times_by_operator(
        profile_nodes(candidates_[*report_.chosen].model, bench_inputs_, profile_config));
  }

  AutoResult finish() {
    AutoResult result;
    result.model =
        report_.chosen ? std::move(candidates_[*report_.chosen].model) : std::move(source_);
    result.calibration = std::move(table_);
    result.report = std::move(report_);
    return result;
  }

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
  std::vector<Candidate> candidates_;
  std::unique_ptr<Session> reference_;         // FP32, of one thread; none: baseline_ is
  std::optional<Comparison> comparison_ = {};  // with it
  std::size_t mixed_trials_ = 0;
};

void AutoRun::describe(const RemediedPlan& made, CandidateReport& report) {
  const QuantizationPlan& plan = made.plan;
  report.reductions = plan.reductions;
  for (const NodeDecision& decision : plan.nodes) {
    if (decision.quantized) continue;
    report.kept_fp32.push_back(LeftNode{decision.node, decision.op_type, decision.reason});
  }
  // As `prepare` left it, perhaps with nodes of a remedy: shapes are known.
  const std::vector<std::uint64_t> work = work_by_node(made.model);
  std::uint64_t total = 0;
  std::uint64_t quantized = 0;
  bool matrix_left = false;
  // The plan's decisions are in model order, one per node.
  for (std::size_t i = 0; i < work.size(); ++i) {
    const std::uint64_t macs = work[i];
    total += macs;
    if (plan.nodes[i].quantized)
      quantized += macs;
    else
      matrix_left = matrix_left || macs > 0;
  }
  report.precision = matrix_left ? Precision::kMixed : Precision::kInt8;
  report.quantized_mac_share =
      total == 0 ? 0.0 : static_cast<double>(quantized) / static_cast<double>(total);
}

}  // namespace

std::string_view name_of(Precision precision) {
  switch (precision) {
    case Precision::kInt8:
      return "int8";
    case Precision::kMixed:
      return "mixed";
    case Precision::kFp32:
      break;
  }
  return "fp32";
}

std::string_view name_of(Method method) {
  switch (method) {
    case Method::kStatic:
      return "static";
    case Method::kDynamic:
      return "dynamic";
    case Method::kNone:
      break;
  }
  return "none";
}

AutoResult run_auto(const std::filesystem::path& model, const AutoConfig& config,
                    const ProgressSink& progress, std::stop_token stop) {
  return AutoRun(model, config, progress, std::move(stop)).run();
}

}  // namespace planish
