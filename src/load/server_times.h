// The statistics extension of the protocol, read before and after a trial.
#pragma once

#include <cstdint>
#include <optional>

#include "planish/load/load.h"

namespace planish::load {

/// Sums since the server started, over the versions that the endpoint means; nanoseconds.
struct ServerCounters {
  std::uint64_t requests = 0;
  std::uint64_t queue_ns = 0, input_ns = 0, infer_ns = 0, output_ns = 0;
};

/// Nothing when the server does not have the extension, or answers with something else.
std::optional<ServerCounters> read_counters(const Endpoint& endpoint);
/// Means of the requests between two readings; nothing when there was none.
std::optional<ServerTimes> times_between(const std::optional<ServerCounters>& before,
                                         const std::optional<ServerCounters>& after);

}  // namespace planish::load
