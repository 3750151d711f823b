// When a version may be made active, and when it is taken back: decisions as values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "planish/serve/shadow.h"

namespace planish::serve {

/// What a version must have shown as a shadow beside the active one before it takes its place.
struct GateConfig {
  double min_agreement =
      0.99;  // of first classes: the lower end of the 95 % interval, not the mean
  std::uint64_t min_samples = 2000;       // fewer are no evidence
  std::optional<double> max_p99_ms = {};  // of its runs as a shadow (ShadowReport::compute_ms)
};

struct GateVerdict {
  bool passed = false;
  std::string why = {};  // every condition with what was found; ends up in the store's history
};
GateVerdict judge(const ShadowReport& report, const GateConfig& config);

/// Of one version that is active. What is not set is not watched.
struct RollbackRule {
  std::optional<double> max_p99_ms = {};         // of requests, from read to answered
  std::optional<double> max_failure_share = {};  // failures of the model or the server, not the
                                                 // callers' mistakes, among all requests
  std::optional<double> min_agreement = {};  // of first classes with a shadow: breached when the
                                             // upper end of the 95 % interval is below it
  std::uint64_t min_requests = 100;          // in the window; fewer are no evidence
  std::chrono::milliseconds window{30000};   // that is looked back on

  [[nodiscard]] bool watches_anything() const {
    return max_p99_ms || max_failure_share || min_agreement;
  }
};
/// "p99=12ms,failures=0.01,agreement=0.98,requests=100,window=30s", any of them.
/// @throws Error(kInvalidArgument).
RollbackRule parse_rollback_rule(std::string_view text);

/// What a version did within a window.
struct WindowCounts {
  std::uint64_t requests = 0;  // answered or failed
  std::uint64_t failures = 0;
  double p99_ms = 0.0;  // of those that were answered
};
/// Which condition is broken, with what was found; nothing when none is. `shadow`: of the pair
/// whose live version this is, if there is one.
std::optional<std::string> breach(const RollbackRule& rule, const WindowCounts& counts,
                                  const std::optional<ShadowReport>& shadow);

/// "12ms", "1.5s", "12" (milliseconds). @throws Error(kInvalidArgument).
double parse_milliseconds(std::string_view text);

}  // namespace planish::serve
