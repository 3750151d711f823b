#include "planish/pipeline/auto.h"

#include <fmt/format.h>

#include <utility>

#include "pipeline/advice.h"
#include "pipeline/auto_run.h"
#include "pipeline/front.h"
#include "pipeline/next_steps.h"
#include "pipeline/pictures.h"
#include "pipeline/worst_tensors.h"
#include "planish/base/parallel.h"

namespace planish {
namespace pipeline {

AutoRun::AutoRun(const std::filesystem::path& path, const AutoConfig& config,
                 const ProgressSink& progress, std::stop_token stop)
    : path_(path), config_(config), progress_(progress), stop_(std::move(stop)) {
  report_.config = config;
  report_.source_path = path.string();
  report_.runtime_version = runtime_version();
  report_.host = describe_host();
  report_.target = config.target.value_or(target_of_isa(report_.host.isa));
}

AutoResult AutoRun::run() {
  try {
    search();
    stage("end to end", [&] { measure_end_to_end(); });
    stage("profile", [&] { profile(); });
    if (config_.tune) stage("tune", [&] { tune(); });
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCancelled) throw;
    choose_candidate();
    if (!report_.chosen) throw;
    return result_so_far(RunState::kInterrupted);
  }
  return result_so_far(RunState::kComplete);
}

void AutoRun::search() {
  stage("load", [&] { load(); });
  stage("prove", [&] { prove(); });
  stage("inspect", [&] { inspect(); });
  stage("prepare", [&] { prepare_source(); });
  stage("calibrate", [&] { calibrate_prepared(); });
  stage("candidates", [&] { make_candidates(); });
  stage("compare", [&] { judge_candidates(); });
  stage("first bench", [&] { measure_all(short_bench()); });
  stage("remedies", [&] { try_remedies(); });
  stage("mixed precision", [&] { try_mixed_precision(); });
  stage("bench", [&] { measure_all(full_bench()); });
  stage("remedies of the chosen", [&] { remedy_chosen(); });
}

bool AutoRun::over_budget() const {
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
  return spent.count() > config_.budget_seconds;
}

SessionConfig AutoRun::session_config() const {
  SessionConfig session;
  session.threads = config_.threads;
  return session;
}

Candidate* AutoRun::chosen() {
  return report_.chosen ? candidates_[*report_.chosen].get() : nullptr;
}

AutoResult AutoRun::result_so_far(RunState state) const {
  AutoResult result;
  result.model = report_.chosen ? candidates_[*report_.chosen]->model : source_;
  result.calibration = table_;
  result.report = report_;
  result.report.state = state;
  if (report_.chosen) show_worst(*candidates_[*report_.chosen], result.report);
  result.report.front = pareto_front(result.report);
  result.report.advice = advice_for(result.report);
  result.report.next = next_steps(result.report);
  return result;
}

/// Where the model that is handed out is at its worst: values and samples, for a person to look at.
void AutoRun::show_worst(const Candidate& candidate, AutoReport& report) const {
  report.worst_tensors = worst_tensors(*candidate.plan);
  if (!candidate.report.accuracy) return;
  std::map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < evaluation_data_->size(); ++i)
    places.emplace(evaluation_data_->name(i), i);
  for (const WorstSample& worst : candidate.report.accuracy->worst) {
    const auto place = places.find(worst.name);
    if (place == places.end()) continue;
    if (auto picture = picture_of(*evaluation_data_, place->second))
      report.pictures.emplace(worst.name, *std::move(picture));
  }
}

}  // namespace pipeline

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

std::string_view name_of(RunState state) {
  switch (state) {
    case RunState::kRunning:
      return "running";
    case RunState::kInterrupted:
      return "interrupted";
    case RunState::kComplete:
      break;
  }
  return "complete";
}

AutoResult run_auto(const std::filesystem::path& model, const AutoConfig& config,
                    const ProgressSink& progress, std::stop_token stop) {
  return pipeline::AutoRun(model, config, progress, std::move(stop)).run();
}

}  // namespace planish
