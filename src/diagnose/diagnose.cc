#include "planish/diagnose/diagnose.h"

#include <algorithm>

#include "diagnose/subjects.h"
#include "planish/base/parallel.h"

namespace planish {
namespace {

using diagnose_detail::Budget;
using diagnose_detail::Facts;
using diagnose_detail::Judgement;
using diagnose_detail::Subjects;

constexpr std::array kJudges{
    diagnose_detail::find_interface_faults, diagnose_detail::find_slow_kernels,
    diagnose_detail::find_lost_speed,       diagnose_detail::find_coarse_scales,
    diagnose_detail::find_lost_accuracy,    diagnose_detail::find_data_faults,
    diagnose_detail::find_machine_faults,
};

Judgement judge_all(const Facts& facts) {
  Judgement judgement;
  judgement.not_checked = facts.skipped;
  for (const auto judge : kJudges) judge(facts, judgement);
  std::ranges::stable_sort(judgement.findings, [](const Finding& a, const Finding& b) {
    const FindingRow& left = row_of(a.code);
    const FindingRow& right = row_of(b.code);
    if (left.severity != right.severity) return left.severity > right.severity;
    return left.code < right.code;
  });
  std::ranges::stable_sort(judgement.not_checked, {}, &NotChecked::code);
  return judgement;
}

}  // namespace

std::optional<Severity> DiagnoseReport::worst() const {
  if (findings.empty()) return std::nullopt;
  return row_of(findings.front().code).severity;  // errors come first
}

DiagnoseReport diagnose(const std::filesystem::path& fp32, const std::filesystem::path& int8,
                        const DiagnoseConfig& config, const ProgressSink& progress,
                        std::stop_token stop) {
  const Budget whole(0.0, steady_clock());
  Facts facts;
  facts.config = config;
  facts.fp32_path = fp32.string();
  facts.int8_path = int8.string();
  facts.host = config.host();
  facts.target = config.target.value_or(target_of_isa(facts.host.isa));
  const Subjects subjects = diagnose_detail::load_subjects(fp32, int8, facts);
  throw_if_stopped(stop);
  diagnose_detail::analyse(subjects, facts);
  const Budget budget(config.seconds, steady_clock());
  diagnose_detail::measure_speed(subjects, budget, facts, progress, stop);
  diagnose_detail::measure_answers(subjects, budget, facts, progress, stop);
  diagnose_detail::fit_ranges(subjects, budget, facts, stop);
  diagnose_detail::try_preprocessing(subjects, budget, facts, stop);
  diagnose_detail::measure_requests(subjects, budget, facts, progress, stop);

  Judgement judgement = judge_all(facts);
  DiagnoseReport report;
  report.fp32_path = facts.fp32_path;
  report.int8_path = facts.int8_path;
  report.host = facts.host;
  report.target = facts.target;
  report.runtime_version = runtime_version();
  report.threads = config.session.threads;
  report.batch = facts.batch;
  if (facts.speed) {
    report.fp32_bench = facts.speed->fp32;
    report.int8_bench = facts.speed->int8;
    report.speed_up = speed_up(facts.speed->fp32, facts.speed->int8);
  }
  if (facts.answers) report.accuracy = facts.answers->int8;
  report.fp32_operators = facts.fp32_operators;
  if (facts.lint && facts.lint->time) report.int8_operators = facts.lint->operators;
  report.findings = std::move(judgement.findings);
  report.not_checked = std::move(judgement.not_checked);
  report.seconds = whole.spent();
  return report;
}

}  // namespace planish
