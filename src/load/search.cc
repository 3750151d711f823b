#include <fmt/format.h>

#include "planish/base/error.h"
#include "planish/load/load.h"

namespace planish::load {
namespace {

/// Enough for any server on one machine to be busy all the time.
constexpr std::size_t kSaturatingConcurrency = 16;
/// A search ends after so many open trials, whatever its precision.
constexpr int kMaxTrials = 24;

}  // namespace

std::optional<std::string> violation(const TrialResult& result, const Limits& limits) {
  if (result.failure_share() > limits.failure_share) {
    return fmt::format("{} of {} requests failed ({})", result.failed,
                       result.failed + result.answered,
                       result.first_failure.empty() ? "no answer" : result.first_failure);
  }
  if (result.answered == 0) return "no request was answered";
  if (limits.p99_ms && result.latency_ms.p99 > *limits.p99_ms)
    return fmt::format("p99 {:.3f} ms > {:g} ms", result.latency_ms.p99, *limits.p99_ms);
  return std::nullopt;
}

SearchResult find_highest_rate(const Endpoint& endpoint, std::span<const Request> requests,
                               const SearchConfig& config, const ProgressSink& progress,
                               std::stop_token stop) {
  if (!config.limits.p99_ms)
    throw Error(ErrorCode::kInvalidArgument, "a search needs a limit for p99");
  if (!(config.precision > 0 && config.precision < 1))
    throw Error(ErrorCode::kInvalidArgument, "the precision of a search must be in (0, 1)");
  SearchResult result;
  TrialConfig closed = config.trial;
  closed.rate.reset();
  closed.concurrency = kSaturatingConcurrency;
  result.trials.push_back(run_trial(endpoint, requests, closed, progress, stop));
  const TrialResult& saturated = result.trials.back();
  const double capacity = static_cast<double>(saturated.answered) / saturated.seconds;
  if (saturated.answered == 0) return result;

  double good = 0.0;
  double bad = capacity;
  for (int i = 0; i < kMaxTrials && bad - good > config.precision * bad; ++i) {
    TrialConfig open = config.trial;
    open.rate = (good + bad) / 2;
    open.seed = config.trial.seed + static_cast<std::uint64_t>(2 * i);
    result.trials.push_back(run_trial(endpoint, requests, open, progress, stop));
    if (violation(result.trials.back(), config.limits)) {
      bad = *open.rate;
      // So slow that a thousandth of its capacity is too much: nothing will do.
      if (bad < capacity / 1000) break;
    } else {
      good = *open.rate;
      result.rate = good;
    }
  }
  return result;
}

}  // namespace planish::load
