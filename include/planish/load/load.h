// Load on a server of the Open Inference Protocol over HTTP or gRPC: as many requests at once as
// asked for (closed loop), or so many a second whatever the server does (open loop).
//
// In an open loop the latency of a request counts from the instant at which it was to be sent. A
// server that stands still for a second then shows in every request that was due in that second,
// not in one of them (coordinated omission: Tene, "How NOT to Measure Latency", 2013; wrk2).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/base/progress.h"
#include "planish/bench/latency.h"
#include "planish/dataset/dataset.h"
#include "planish/runtime/session.h"
#include "planish/serve/server.h"

namespace planish::load {

enum class Transport { kHttp, kGrpc };

/// A model that a server answers for.
struct Endpoint {
  serve::Address server = {"127.0.0.1", 8080};
  std::string model = {};
  std::string version = {};  // "": the one that is active
  std::chrono::milliseconds timeout{
      30000};  // of one request, from its first byte to the answer's last
  Transport transport = Transport::kHttp;  // of `server`'s port
};

/// What the server says that the model takes and gives; a dimension of -1 is unknown.
/// @throws Error(kUnavailable) when nothing answers there; kNotFound for a model or version that
///   the server does not have; kUnsupported for an element type that planish does not know;
///   kCorrupt for an answer that is not the protocol's.
Signature fetch_signature(const Endpoint& endpoint);

/// The bytes of one request, ready to be sent any number of times.
struct Request {
  std::string bytes = {};
  std::size_t inferences = 1;  // the batch
};

/// A request with `inputs` as binary tensors, asking for binary outputs.
Request tensor_request(const Endpoint& endpoint, std::span<const NamedTensor> inputs,
                       std::size_t batch);
/// A request with encoded images for the model's only input, as the version's own preprocessing
/// reads them.
Request image_request(const Endpoint& endpoint, const Signature& signature,
                      std::span<const std::string> images);

/// Up to `count` requests of `batch` samples each of `data`. `encoded`: the images as their files
/// hold them. @throws Error of a sample; kInvalidArgument when `encoded` and a sample is no image.
std::vector<Request> requests_of(const Endpoint& endpoint, const Signature& signature,
                                 const Dataset& data, std::size_t batch, std::size_t count,
                                 bool encoded);

enum class Arrivals {
  kPoisson,   // independent callers: what traffic is like
  kConstant,  // one exactly every 1/rate seconds
};
std::string_view name_of(Arrivals arrivals);
/// @throws Error(kInvalidArgument) listing the names.
Arrivals arrivals_from(std::string_view name);

/// Instants from 0 on, in nanoseconds, of `rate` arrivals a second; the same for the same seed.
class ArrivalTimes {
 public:
  ArrivalTimes(double rate, Arrivals arrivals, std::uint64_t seed);
  std::chrono::nanoseconds next();

 private:
  double rate_;
  Arrivals arrivals_;
  std::uint64_t state_;
  double at_seconds_ = 0.0;
};

struct TrialConfig {
  std::size_t concurrency = 1;      // closed loop: requests under way at all times …
  std::optional<double> rate = {};  // … or open loop: requests a second
  Arrivals arrivals = Arrivals::kPoisson;
  double seconds = 5.0;               // measured time
  double warmup_seconds = 1.0;        // under the same load, not counted
  std::size_t max_connections = 256;  // open loop: more requests than that wait, and it counts
  std::uint64_t seed = 1;
};

/// Means of the server's own statistics over a trial, in microseconds a request.
struct ServerTimes {
  double queue_us = 0, input_us = 0, infer_us = 0, output_us = 0;
};

/// What one trial measured. Latencies are of requests that were answered with 200.
struct TrialResult {
  TrialConfig config = {};
  double seconds = 0.0;      // from the first counted arrival to the last answer
  std::size_t answered = 0;  // with 200
  std::size_t failed = 0;
  std::map<int, std::size_t> failures = {};  // by HTTP status (gRPC's by the one that says the
                                             // same) 0: no answer (connection, timeout)
  std::string first_failure = {};  // what the first of them said
  double inferences_per_second = 0.0;
  LatencySummary latency_ms = {};
  double p999_ms = 0.0;
  double send_us = 0.0, receive_us = 0.0;  // means: writing a request, reading an answer's bytes
  std::optional<ServerTimes> server = {};  // nothing when the server has no statistics, or by gRPC
  /// How late the generator itself sent what a connection was free for, 99th percentile. Above a
  /// millisecond the machine that generates is what was measured.
  double generator_lag_p99_ms = 0.0;

  [[nodiscard]] double failure_share() const {
    const std::size_t all = answered + failed;
    return all == 0 ? 0.0 : static_cast<double>(failed) / static_cast<double>(all);
  }
};

/// Sends `requests` in turn. One thread, the caller's. Requests that are under way when the time is
/// over are waited for, and count.
/// @throws Error(kInvalidArgument) for a wrong `config` or no request; kUnavailable when no
///   connection can be made at the start; kCancelled.
TrialResult run_trial(const Endpoint& endpoint, std::span<const Request> requests,
                      const TrialConfig& config, const ProgressSink& progress = {},
                      std::stop_token stop = {});

/// What a trial must keep to.
struct Limits {
  std::optional<double> p99_ms = {};
  double failure_share = 0.0;
};
/// Nothing, or what is wrong with `result`: "p99 14.2 ms > 12 ms".
std::optional<std::string> violation(const TrialResult& result, const Limits& limits);

struct SearchConfig {
  TrialConfig trial = {};  // its rate is ignored
  Limits limits = {};
  double precision = 0.05;  // ends when the highest good rate is known this well
};

struct SearchResult {
  std::optional<double> rate = {};       // the highest that kept to the limits; nothing: none did
  std::vector<TrialResult> trials = {};  // in the order they ran
};

/// The highest rate of an open loop whose trial keeps to the limits: a closed loop finds out what
/// the server can do at the most, then rates below it are halved in on.
/// @throws as run_trial.
SearchResult find_highest_rate(const Endpoint& endpoint, std::span<const Request> requests,
                               const SearchConfig& config, const ProgressSink& progress = {},
                               std::stop_token stop = {});

/// One row a trial with the columns of perf_analyzer (of which the first is "Concurrency" or
/// "Request Rate"); times in microseconds.
/// @throws Error(kInvalidArgument) when open and closed loops are mixed.
std::string to_csv(std::span<const TrialResult> trials);
Json to_json(const TrialResult& trial);

}  // namespace planish::load
