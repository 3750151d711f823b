#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/load/load.h"

namespace planish::load {
namespace {

/// What is neither sending, receiving nor the server's own times: the network, the server's
/// sockets, and in an open loop the wait for a free connection.
double elsewhere_us(const TrialResult& trial) {
  const ServerTimes server = trial.server.value_or(ServerTimes{});
  const double known = trial.send_us + trial.receive_us + server.queue_us + server.input_us +
                       server.infer_us + server.output_us;
  return std::max(0.0, trial.latency_ms.mean * 1e3 - known);
}

}  // namespace

std::string to_csv(std::span<const TrialResult> trials) {
  const bool open = !trials.empty() && trials.front().config.rate.has_value();
  std::string out = open ? "Request Rate" : "Concurrency";
  out +=
      ",Inferences/Second,Client Send,Network+Server Send/Recv,Server Queue,Server Compute Input,"
      "Server Compute Infer,Server Compute Output,Client Recv,p50 latency,p90 latency,p95 latency,"
      "p99 latency\n";
  for (const TrialResult& trial : trials) {
    if (trial.config.rate.has_value() != open) {
      throw Error(ErrorCode::kInvalidArgument,
                  "open and closed loops have different first columns; write two files");
    }
    const ServerTimes server = trial.server.value_or(ServerTimes{});
    out += open ? fmt::format("{:g}", *trial.config.rate)
                : fmt::format("{}", trial.config.concurrency);
    out += fmt::format(",{:.2f}", trial.inferences_per_second);
    for (const double us :
         {trial.send_us, elsewhere_us(trial), server.queue_us, server.input_us, server.infer_us,
          server.output_us, trial.receive_us, trial.latency_ms.p50 * 1e3,
          trial.latency_ms.p90 * 1e3, trial.latency_ms.p95 * 1e3, trial.latency_ms.p99 * 1e3})
      out += fmt::format(",{}", std::llround(us));
    out += '\n';
  }
  return out;
}

Json to_json(const TrialResult& trial) {
  Json json;
  if (trial.config.rate) {
    json["rate"] = *trial.config.rate;
    json["arrivals"] = name_of(trial.config.arrivals);
  } else {
    json["concurrency"] = trial.config.concurrency;
  }
  json["seconds"] = trial.seconds;
  json["answered"] = trial.answered;
  json["failed"] = trial.failed;
  for (const auto& [status, count] : trial.failures)
    json["failures"][status == 0 ? "no answer" : std::to_string(status)] = count;
  if (!trial.first_failure.empty()) json["first_failure"] = trial.first_failure;
  json["inferences_per_second"] = trial.inferences_per_second;
  json["latency_ms"] = to_json(trial.latency_ms);
  json["latency_ms"]["p99.9"] = trial.p999_ms;
  json["send_us"] = trial.send_us;
  json["receive_us"] = trial.receive_us;
  if (trial.server) {
    json["server_us"] = {{"queue", trial.server->queue_us},
                         {"compute_input", trial.server->input_us},
                         {"compute_infer", trial.server->infer_us},
                         {"compute_output", trial.server->output_us}};
  }
  if (trial.config.rate) json["generator_lag_p99_ms"] = trial.generator_lag_p99_ms;
  return json;
}

}  // namespace planish::load
