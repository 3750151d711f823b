#include "load/server_times.h"

#include "load/http.h"
#include "planish/base/error.h"
#include "planish/base/json.h"

namespace planish::load {

std::optional<ServerCounters> read_counters(const Endpoint& endpoint) {
  if (endpoint.transport == Transport::kGrpc) return std::nullopt;
  try {
    const serve::HttpAnswer answer = http_get(endpoint, model_path(endpoint) + "/stats");
    if (answer.status != 200) return std::nullopt;
    ServerCounters sums;
    const Json json = parse_json(answer.body);
    for (const Json& model : json.at("model_stats")) {
      const Json& stats = model.at("inference_stats");
      const auto ns = [&](const char* what) {
        return stats.at(what).at("ns").get<std::uint64_t>();
      };
      sums.requests += stats.at("success").at("count").get<std::uint64_t>();
      sums.queue_ns += ns("queue");
      sums.input_ns += ns("compute_input");
      sums.infer_ns += ns("compute_infer");
      sums.output_ns += ns("compute_output");
    }
    return sums;
  } catch (const Error&) {
    return std::nullopt;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

std::optional<ServerTimes> times_between(const std::optional<ServerCounters>& before,
                                         const std::optional<ServerCounters>& after) {
  // A version that was swapped meanwhile takes its counts along.
  if (!before || !after || after->requests <= before->requests) return std::nullopt;
  const auto requests = static_cast<double>(after->requests - before->requests);
  const auto mean_us = [&](std::uint64_t from, std::uint64_t to) {
    return to < from ? 0.0 : static_cast<double>(to - from) / 1e3 / requests;
  };
  return ServerTimes{
      mean_us(before->queue_ns, after->queue_ns), mean_us(before->input_ns, after->input_ns),
      mean_us(before->infer_ns, after->infer_ns), mean_us(before->output_ns, after->output_ns)};
}

}  // namespace planish::load
