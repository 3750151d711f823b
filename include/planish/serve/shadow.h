// Live answers compared with another version's, behind the requests that users wait for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"

namespace planish::serve {

/// NAME=VERSION:FRACTION of the command line.
struct ShadowConfig {
  std::string model = {};
  std::string version = {};  // as ModelStore::resolve takes it
  double fraction = 0.0;     // of the requests, in (0, 1]
};
/// @throws Error(kInvalidArgument).
ShadowConfig parse_shadow(std::string_view text);

/// A 95 % interval of a share of `agreed` in `samples` (Wilson 1927: right for shares near 1).
struct ShareInterval {
  double share = 0.0;
  double low = 0.0;
  double high = 1.0;
};
ShareInterval wilson_interval(std::uint64_t agreed, std::uint64_t samples);

/// One compared request, of the worst seen.
struct ShadowSample {
  std::string id = {};       // of the request; "" it had none
  std::int64_t time_ms = 0;  // since the epoch
  double cosine = 1.0;
  double max_abs_error = 0.0;
  bool same_top1 = true;
};

/// Of runs, in milliseconds.
struct RunTimes {
  std::uint64_t runs = 0;
  double p50 = 0.0;
  double p95 = 0.0;
  double p99 = 0.0;
};

/// What comparing one version against another has found since this pair came together.
struct ShadowReport {
  std::string model = {};
  std::string live = {};    // generation and digest of the version that answered
  std::string shadow = {};  // of the one beside it
  double fraction = 0.0;
  std::uint64_t samples = 0;  // rows of a batch count one by one
  std::uint64_t dropped = 0;  // requests not compared: no idle CPU
  std::uint64_t failed = 0;   // the shadow version threw
  ShareInterval top1 = {};
  ShareInterval topk = {};  // the live first is among the shadow's first 5
  double cosine_mean = 0.0;
  double cosine_min = 0.0;
  double max_abs_error = 0.0;
  RunTimes compute_ms = {};  // of the shadow version: CPU time where it runs on one thread, for it
                             // is interrupted whenever a live request wants the core
  std::vector<ShadowSample> worst = {};  // lowest cosine first
};
Json to_json(const ShadowReport& report);
/// @throws Error(kInvalidArgument) when it is none.
ShadowReport shadow_report_from(const Json& json);

}  // namespace planish::serve
