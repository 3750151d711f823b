#include <algorithm>

#include "diagnose/subjects.h"
#include "planish/base/error.h"
#include "planish/bench/bench.h"
#include "planish/prepare/prepare.h"
#include "planish/quantize/plan.h"

namespace planish::diagnose_detail {
namespace {

/// Shares of the budget.
constexpr double kBenchShare = 0.3;
constexpr double kProfileShare = 0.1;

/// What `planish quantize` makes of the FP32 model, but for its ranges: the integers differ, the
/// kernels and their time do not.
std::optional<Model> remade(const Model& fp32, const Facts& facts) {
  QuantizationConfig config;
  config.target = facts.target;
  if (facts.inspection.mode == RecommendedMode::kDynamic)
    config.mode = QuantizationMode::kDynamic;
  else
    config.activation = row_of(facts.target).activation;
  PrepareConfig unverified;
  unverified.verify = Verify::kOff;
  try {
    const Model model = prepare(fp32, unverified).model;
    CalibrationTable table;
    for (const std::string& tensor : calibration_targets(model, config))
      table.ranges[tensor] = TensorRange{-1.0F, 1.0F};
    return apply(plan_quantization(model, table, config), model);
  } catch (const Error&) {
    return std::nullopt;  // it cannot be quantized; then there is no gain to show
  }
}

/// Whether something was found already that requantizing may make faster.
bool wants_remade(const Facts& facts) {
  Judgement judgement;
  find_slow_kernels(facts, judgement);
  return !judgement.findings.empty();
}

std::size_t runs_within(double seconds, double run_seconds, std::size_t least, std::size_t most) {
  const double runs = run_seconds > 0 ? seconds / run_seconds : static_cast<double>(most);
  return static_cast<std::size_t>(
      std::clamp(runs, static_cast<double>(least), static_cast<double>(most)));
}

void profile(const Subjects& subjects, const Budget& budget, Facts& facts) {
  ProfileConfig config;
  config.session = facts.config.session;
  config.runs = runs_within(kProfileShare * budget.total() / 2, facts.run_seconds, 3, config.runs);
  config.warmup_runs = 1;
  facts.fp32_operators = times_by_operator(profile_nodes(subjects.fp32, subjects.inputs, config));
  facts.lint = lint_model(subjects.int8, subjects.inputs, config);
}

/// Models that are measured besides, kept while the sessions run.
struct Alternative {
  std::unique_ptr<Session> session;
  std::optional<BenchResult> Speed::*result = nullptr;
};

void add(std::vector<Alternative>& alternatives, const std::optional<Model>& model,
         std::optional<BenchResult> Speed::*result, const Subjects& subjects,
         const SessionConfig& config) {
  if (!model) return;
  try {
    Alternative alternative{open_session(*model, config), result};
    alternative.session->run(subjects.inputs);
    alternatives.push_back(std::move(alternative));
  } catch (const Error&) {
    // A model that does not run is no remedy.
  }
}

}  // namespace

void measure_speed(const Subjects& subjects, const Budget& budget, Facts& facts,
                   const ProgressSink& progress, const std::stop_token& stop) {
  if (!subjects.comparable) return;
  if (!facts.config.measure) {
    if (facts.is_quantized) facts.lint = lint_model(subjects.int8);
    return;
  }
  profile(subjects, budget, facts);

  std::vector<Alternative> alternatives;
  const SessionConfig& config = facts.config.session;
  if (facts.fitted && facts.fitted->report.values > 0)
    add(alternatives, facts.fitted->model, &Speed::fitted, subjects, config);
  if (wants_remade(facts))
    add(alternatives, remade(subjects.fp32, facts), &Speed::remade, subjects, config);
  if (config.spinning && config.threads > 1) {
    SessionConfig calm = config;
    calm.spinning = false;
    add(alternatives, subjects.int8, &Speed::calm, subjects, calm);
  }

  std::vector<BenchSubject> runs{
      inference_subject("FP32", *subjects.fp32_session, subjects.inputs, facts.batch),
      inference_subject("INT8", *subjects.int8_session, subjects.inputs, facts.batch)};
  for (const Alternative& alternative : alternatives)
    runs.push_back(inference_subject("remedy", *alternative.session, subjects.inputs, facts.batch));
  BenchConfig bench;
  bench.seconds = kBenchShare * budget.total() / static_cast<double>(runs.size());
  bench.warmup_seconds = std::min(bench.warmup_seconds, bench.seconds / 5);
  bench.warmup_runs = runs_within(bench.seconds / 5, facts.run_seconds, 1, bench.warmup_runs);
  bench.min_runs = runs_within(bench.seconds, facts.run_seconds, 5, bench.min_runs);

  const auto before = facts.config.host().quota;
  const double start = budget.spent();
  BenchReport report = facts.config.measure_speed
                           ? facts.config.measure_speed(runs, bench)
                           : bench_interleaved(runs, bench, steady_clock(), progress, stop);
  Speed speed;
  speed.wall_seconds = budget.spent() - start;
  const auto after = facts.config.host().quota;
  if (before && after && after->throttled_usec >= before->throttled_usec) {
    speed.throttled_seconds =
        static_cast<double>(after->throttled_usec - before->throttled_usec) / 1e6;
  }
  speed.other_load_share = report.other_load_share;
  speed.steal_share = report.steal_share;
  speed.fp32 = std::move(report.results[0]);
  speed.int8 = std::move(report.results[1]);
  for (std::size_t i = 0; i < alternatives.size(); ++i)
    speed.*alternatives[i].result = std::move(report.results[i + 2]);
  facts.speed = std::move(speed);
}

}  // namespace planish::diagnose_detail
