#include <fmt/format.h>

#include <algorithm>

#include "diagnose/commands.h"
#include "diagnose/facts.h"

namespace planish::diagnose_detail {
namespace {

/// Above these, single latencies say more about the machine than about the model.
constexpr double kBusyShare = 0.15;
constexpr double kStealShare = 0.03;
constexpr double kThrottledShare = 0.02;  // of the wall time of one core

void find_missing_instructions(const Facts& facts, Judgement& judgement) {
  const TargetRow& target = row_of(facts.target);
  if (!target.u8s8_saturates) return;
  const TargetRow& vnni = row_of(Target::kAvx512Vnni);
  const std::string expected =
      target.speed_up ? fmt::format("whole networks run {:.1f}x to {:.1f}x as fast as FP32",
                                    target.speed_up->low, target.speed_up->high)
                      : std::string("expect less than with one");
  judgement.findings.push_back(
      {.code = FindingCode::kNoInt8Instructions,
       .evidence = fmt::format("{}{}: {} here, {:.1f}x to {:.1f}x with {}", target.name,
                               facts.host.cpu.empty() ? "" : " (" + facts.host.cpu + ")", expected,
                               vnni.speed_up->low, vnni.speed_up->high, vnni.name),
       .remedy = "for more, measure on a CPU with VNNI, AMX or dotprod (docs/targets.md)"});
}

std::string limit_text(const HostReport& host) {
  if (host.quota && host.quota->cores < host.cores_allowed)
    return fmt::format("a quota of {:g} cores ({})", host.quota->cores, host.quota->where);
  return fmt::format("{} of {} cores by affinity and cpuset", host.cores_allowed,
                     host.cores_online);
}

bool has_too_many_threads(const Facts& facts) {
  return facts.config.session.threads > facts.host.cores_usable;
}

void find_too_many_threads(const Facts& facts, Judgement& judgement) {
  if (!has_too_many_threads(facts)) return;
  const int usable = facts.host.cores_usable;
  judgement.findings.push_back(
      {.code = FindingCode::kThreadsAboveCores,
       .evidence =
           fmt::format("{} threads under {}", facts.config.session.threads, limit_text(facts.host)),
       .numbers = {{"threads", static_cast<double>(facts.config.session.threads)},
                   {"cores_usable", static_cast<double>(usable)}},
       .remedy = fmt::format("run with {} thread{}", usable, usable == 1 ? "" : "s"),
       .commands = {compare_command(facts, "bench", fmt::format("--threads {}", usable))}});
}

void find_throttling(const Facts& facts, Judgement& judgement) {
  if (!facts.speed || !facts.speed->throttled_seconds || facts.speed->wall_seconds <= 0) return;
  const double share = *facts.speed->throttled_seconds / facts.speed->wall_seconds;
  if (share < kThrottledShare) return;
  judgement.findings.push_back(
      {.code = FindingCode::kThrottled,
       .evidence = fmt::format("throttled for {:.2f} s in {:.1f} s of measuring, by {}",
                               *facts.speed->throttled_seconds, facts.speed->wall_seconds,
                               limit_text(facts.host)),
       .numbers = {{"throttled_share", share}},
       .remedy = "raise the quota, or run fewer threads than it has whole cores and leave one for "
                 "the rest of the container",
       .commands = {compare_command(
           facts, "bench",
           fmt::format("--threads {}", std::max(1, facts.host.cores_usable - 1)))}});
}

void find_other_load(const Facts& facts, Judgement& judgement) {
  if (!facts.speed) return;
  const Speed& speed = *facts.speed;
  if (speed.other_load_share < kBusyShare && speed.steal_share < kStealShare) return;
  judgement.findings.push_back(
      {.code = FindingCode::kOtherLoad,
       .evidence = fmt::format(
           "other processes took {:.0f} % of the CPU and the hypervisor {:.0f} %; p95 is {:.0f} % "
           "above p50",
           100 * speed.other_load_share, 100 * speed.steal_share, 100 * speed.int8.spread),
       .numbers = {{"other_load_share", speed.other_load_share},
                   {"steal_share", speed.steal_share},
                   {"spread", speed.int8.spread}},
       .remedy = "measure on an idle machine before relying on single latencies, and look at what "
                 "else runs where it is served",
       .commands = {"top -b -n 1 | head -20"}});
}

void find_spinning(const Facts& facts, Judgement& judgement) {
  const SessionConfig& session = facts.config.session;
  if (!session.spinning || session.threads < 2) return;
  const bool is_busy = facts.speed && facts.speed->other_load_share >= kBusyShare;
  const bool is_limited = facts.host.quota.has_value();
  const bool is_full = session.threads >= facts.host.cores_usable;
  if (!is_busy && !is_limited && !is_full) return;
  const std::string why = is_limited ? "under " + limit_text(facts.host)
                          : is_full
                              ? fmt::format("on {} usable cores, with none left for anything else",
                                            facts.host.cores_usable)
                              : fmt::format("while other processes take {:.0f} % of the CPU",
                                            100 * facts.speed->other_load_share);
  std::optional<Gain> gain;
  if (facts.speed && facts.speed->calm) {
    const RatioEstimate ratio = speed_up(facts.speed->int8, *facts.speed->calm);
    const double now = facts.speed->int8.latency_ms.p50;
    if (ratio.low > 1.0) gain = Gain{"latency_ms", now, now / ratio.median, true};
  }
  judgement.findings.push_back(
      {.code = FindingCode::kSpinning,
       .evidence = fmt::format("{} threads spin {}", session.threads, why),
       .numbers = {{"threads", static_cast<double>(session.threads)},
                   {"cores_usable", static_cast<double>(facts.host.cores_usable)}},
       .remedy = "turn spinning off (session.intra_op.allow_spinning=0), or measure that it pays "
                 "where the model is served",
       .commands = {compare_command(facts, "bench", fmt::format("--threads {}", session.threads))},
       .gain = gain});
}

}  // namespace

void find_machine_faults(const Facts& facts, Judgement& judgement) {
  find_missing_instructions(facts, judgement);
  find_too_many_threads(facts, judgement);
  find_throttling(facts, judgement);
  find_other_load(facts, judgement);
  find_spinning(facts, judgement);
}

}  // namespace planish::diagnose_detail
