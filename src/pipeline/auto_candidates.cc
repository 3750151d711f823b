// Candidates of `auto`: made from a plan, proven to run, judged by their answers.
#include <fmt/format.h>

#include "pipeline/auto_run.h"
#include "planish/base/parallel.h"
#include "planish/graph/bodies.h"
#include "planish/graph/graph_index.h"
#include "planish/onnx/onnx.h"

namespace planish::pipeline {
namespace {

SessionConfig single_thread() {
  SessionConfig session;
  session.threads = 1;
  return session;
}

/// Multiply-accumulates of a model, each of its bodies run once.
struct PlannedWork {
  std::uint64_t total = 0;
  std::uint64_t quantized = 0;

  /// The plan's decisions are in model order, one per node.
  void add(const QuantizationPlan& plan, const Model& model, std::span<const std::uint64_t> work) {
    for (std::size_t i = 0; i < work.size(); ++i) {
      total += work[i];
      if (plan.nodes[i].quantized) quantized += work[i];
    }
    const GraphIndex index(model.graph);
    for (const BodyPlan& body : plan.bodies) {
      // Of a body nothing is known but the types that it declares.
      const Model inner = open_body(model, index, body.place);
      add(body.plan, inner, work_by_node(inner, declared_value_types(inner)));
    }
  }
};

/// What `made` keeps in FP32 and how much of the work of one run on `inputs` it quantizes.
void describe(const RemediedPlan& made, std::span<const NamedTensor> inputs,
              CandidateReport& report) {
  report.reductions = all_reductions(made.plan);
  report.kept_fp32 = left_nodes(made.plan);
  PlannedWork work;
  work.add(made.plan, made.model, work_by_node(made.model, dims_of(made.model, inputs)));
  report.precision = work.quantized < work.total ? Precision::kMixed : Precision::kInt8;
  report.quantized_mac_share =
      work.total == 0 ? 0.0 : static_cast<double>(work.quantized) / static_cast<double>(work.total);
}

}  // namespace

std::uint64_t size_of(const Model& model) {
  std::uint64_t weights = 0;
  for (const Initializer& initializer : model.graph.initializers)
    weights += initializer.value.bytes().size();
  // Beyond protobuf's limit the weights are the size, to a thousandth.
  return weights > (std::uint64_t{1} << 30) ? weights : serialize_model(model).size();
}

void AutoRun::make_candidates() {
  for (const CandidateSpec& spec : specs_)
    candidates_.push_back(std::make_unique<Candidate>(make(spec)));
}

Candidate AutoRun::make(const CandidateSpec& spec) {
  return make(spec, [&](Candidate& candidate) {
    if (spec.remedies.any()) return remedied_plan(candidate);
    return RemediedPlan{.model = prepared_,
                        .table = table_,
                        .plan = plan_quantization(prepared_, table_, spec.config)};
  });
}

Candidate AutoRun::make(const CandidateSpec& spec,
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
    describe(*candidate.plan, bench_inputs_, report);
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

void AutoRun::judge_candidates() {
  // One session of one thread for each side, samples side by side: deterministic, and all cores
  // work.
  if (config_.threads != 1) reference_ = open_session(source_, single_thread());
  CompareConfig compare_config;
  compare_config.threads = report_.host.cores_usable;
  compare_config.meaning = config_.answers;
  compare_config.on_bad_sample = config_.on_bad_sample;
  comparison_.emplace(reference_ ? *reference_ : *baseline_, *evaluation_data_,
                      labels_ ? &*labels_ : nullptr, compare_config);
  for (const auto& candidate : candidates_) judge_one(*candidate);
}

void AutoRun::judge_one(Candidate& candidate) {
  if (!candidate.session) return;
  throw_if_stopped(stop_);
  std::unique_ptr<Session> other;
  if (config_.threads != 1) other = open_session(candidate.model, single_thread());
  Session& session = other ? *other : *candidate.session;
  candidate.report.accuracy = comparison_->compare(session, progress_, stop_);
  const Verdict verdict = judge(*candidate.report.accuracy, config_.thresholds);
  if (!verdict.accepted()) candidate.report.rejected_because = verdict.failures.front();
}

void AutoRun::add_judged(Candidate candidate) {
  judge_one(candidate);
  if (candidate.report.remedies && candidate.report.accuracy) measure_gain(candidate.report);
  candidates_.push_back(std::make_unique<Candidate>(std::move(candidate)));
}

}  // namespace planish::pipeline
