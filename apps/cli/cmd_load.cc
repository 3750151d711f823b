#include <fmt/format.h>

#include <memory>

#include "command.h"
#include "options.h"
#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/bench/bench.h"
#include "planish/load/load.h"
#include "terminal.h"

namespace planish::cli {
namespace {

/// Above this the generator's own delay is no longer small beside what it measures.
constexpr double kWorrisomeLagMs = 1.0;
/// Different requests that are sent in turn: more would only fill memory.
constexpr std::size_t kRequests = 64;

struct Options {
  load::Endpoint endpoint;
  std::string url = to_string(load::Endpoint{}.server);
  bool grpc = false;
  std::string data;
  bool encoded = false;
  std::size_t batch = 1;
  std::int64_t unknown_dim = 1;
  std::vector<std::size_t> concurrencies;
  std::vector<double> rates;
  std::string arrivals{name_of(load::TrialConfig{}.arrivals)};
  bool search = false;
  load::TrialConfig trial;
  load::Limits limits;
  double max_p99_ms = 0.0;
  double precision = load::SearchConfig{}.precision;
  std::string csv;
  DataOptions samples;
};

std::vector<load::Request> make_requests(const Options& options) {
  const Signature signature = load::fetch_signature(options.endpoint);
  if (options.data.empty()) {
    if (options.encoded)
      throw Error(ErrorCode::kInvalidArgument, "--encoded needs --data with images");
    const auto inputs = random_inputs(signature, options.batch, options.unknown_dim);
    return {load::tensor_request(options.endpoint, inputs, options.batch)};
  }
  const auto data = open_dataset(options.data, signature, options.samples.config());
  return load::requests_of(options.endpoint, signature, *data, options.batch, kRequests,
                           options.encoded);
}

std::vector<load::TrialConfig> trials_of(const Options& options) {
  std::vector<load::TrialConfig> trials;
  for (const double rate : options.rates) {
    trials.push_back(options.trial);
    trials.back().rate = rate;
  }
  for (const std::size_t concurrency : options.concurrencies) {
    trials.push_back(options.trial);
    trials.back().concurrency = concurrency;
  }
  if (trials.empty()) trials.push_back(options.trial);
  return trials;
}

void print_trials(std::ostream& out, std::span<const load::TrialResult> trials,
                  const load::Limits& limits) {
  TextTable table({"load", "inferences/s", "p50 ms", "p90 ms", "p95 ms", "p99 ms", "p99.9 ms",
                   "max ms", "queue us", "infer us", "failed"});
  for (const load::TrialResult& trial : trials) {
    const LatencySummary& ms = trial.latency_ms;
    table.add({trial.config.rate
                   ? fmt::format("{:.4g}/s {}", *trial.config.rate, name_of(trial.config.arrivals))
                   : fmt::format("{} at once", trial.config.concurrency),
               fixed(trial.inferences_per_second, 1), human_ms(ms.p50), human_ms(ms.p90),
               human_ms(ms.p95), human_ms(ms.p99), human_ms(trial.p999_ms), human_ms(ms.max),
               trial.server ? fixed(trial.server->queue_us, 0) : "-",
               trial.server ? fixed(trial.server->infer_us, 0) : "-",
               fmt::format("{}", trial.failed)});
  }
  table.print(out);
  for (const load::TrialResult& trial : trials) {
    const std::string which = trial.config.rate
                                  ? fmt::format("{:.4g}/s", *trial.config.rate)
                                  : fmt::format("{} at once", trial.config.concurrency);
    if (const auto found = violation(trial, limits)) out << which << ": " << *found << '\n';
    if (trial.generator_lag_p99_ms > kWorrisomeLagMs) {
      out << which << ": the generator itself was late by " << human_ms(trial.generator_lag_p99_ms)
          << " ms (p99); give it a core of its own, or ask for less\n";
    }
  }
}

int run(Options& options, const Context& context) {
  options.endpoint.server = serve::parse_address(options.url);
  if (options.grpc) options.endpoint.transport = load::Transport::kGrpc;
  options.trial.arrivals = load::arrivals_from(options.arrivals);
  if (options.max_p99_ms > 0) options.limits.p99_ms = options.max_p99_ms;
  if (options.search && !options.limits.p99_ms)
    throw Error(ErrorCode::kInvalidArgument, "--search needs --max-p99");
  if (options.search && !(options.rates.empty() && options.concurrencies.empty()))
    throw Error(ErrorCode::kInvalidArgument,
                "--search finds the rate itself; leave the others out");
  if (!options.csv.empty() && !options.rates.empty() && !options.concurrencies.empty())
    throw Error(ErrorCode::kInvalidArgument,
                "--csv takes --rate or --concurrency, not both: their first columns differ");
  const std::vector<load::Request> requests = make_requests(options);

  load::SearchResult found;
  if (options.search) {
    load::SearchConfig search;
    search.trial = options.trial;
    search.limits = options.limits;
    search.precision = options.precision;
    found = find_highest_rate(options.endpoint, requests, search, context.progress, context.stop);
  } else {
    for (const load::TrialConfig& trial : trials_of(options))
      found.trials.push_back(
          run_trial(options.endpoint, requests, trial, context.progress, context.stop));
  }
  if (!options.csv.empty()) {
    // The closed trial in front of a search only finds the range.
    const auto rows =
        std::span<const load::TrialResult>(found.trials).subspan(options.search ? 1 : 0);
    AtomicFile file(options.csv);
    file.write(load::to_csv(rows));
    file.commit();
  }
  clear_progress();
  bool failed = options.search && !found.rate;
  Json json;
  json["model"] = options.endpoint.model;
  json["server"] = to_string(options.endpoint.server);
  json["trials"] = Json::array();
  for (const load::TrialResult& trial : found.trials) {
    json["trials"].push_back(to_json(trial));
    const auto broken = violation(trial, options.limits);
    if (broken) json["trials"].back()["violation"] = *broken;
    failed = failed || (!options.search && broken);
  }
  if (options.search) json["highest_rate"] = found.rate ? Json(*found.rate) : Json(nullptr);
  print(context, json, [&](std::ostream& out) {
    print_trials(out, found.trials, options.limits);
    if (found.rate)
      out << fmt::format("highest rate with p99 <= {:g} ms: {:.4g} requests a second\n",
                         *options.limits.p99_ms, *found.rate);
    else if (options.search)
      out << fmt::format("no rate has p99 <= {:g} ms\n", *options.limits.p99_ms);
  });
  return failed ? kExitThresholdFailed : kExitSuccess;
}

Run declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("--model", options->endpoint.model, "Name of the model on the server")->required();
  app.add_option("--model-version", options->endpoint.version,
                 "Generation, label or digest (default: the active one)");
  app.add_option("--url", options->url, "HOST:PORT of the server's HTTP port, or its gRPC port")
      ->capture_default_str();
  app.add_flag("--grpc", options->grpc, "Speak gRPC there");
  app.add_option("--data", options->data, "Samples to send; without it, random numbers");
  app.add_flag("--encoded", options->encoded,
               "Send images as their files hold them; the server decodes and preprocesses");
  app.add_option("--batch", options->batch, "Samples in one request")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--unknown-dim", options->unknown_dim,
                 "What a variable dimension other than the first is for random inputs")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--concurrency", options->concurrencies,
                 "Closed loop: requests under way at once; several: a trial each (default: 1)")
      ->delimiter(',')
      ->check(CLI::Range(1, 65536));
  app.add_option("--rate", options->rates,
                 "Open loop: requests a second, whatever the server does; several: a trial each")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  app.add_option("--distribution", options->arrivals,
                 "Of the arrivals of an open loop: poisson or constant")
      ->capture_default_str();
  app.add_flag("--search", options->search, "Find the highest rate whose p99 is --max-p99");
  app.add_option("--max-p99", options->max_p99_ms, "Milliseconds; more is exit status 1")
      ->check(CLI::PositiveNumber);
  app.add_option("--max-failures", options->limits.failure_share,
                 "Share of requests that may fail; more is exit status 1")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--precision", options->precision, "Relative precision of --search")
      ->check(CLI::Range(0.001, 0.5))
      ->capture_default_str();
  app.add_option("--seconds", options->trial.seconds, "Measured time of a trial")
      ->check(CLI::Range(0.01, 86400.0))
      ->capture_default_str();
  app.add_option("--warmup", options->trial.warmup_seconds, "Seconds before it that do not count")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
  app.add_option("--max-connections", options->trial.max_connections,
                 "Open loop: requests under way at once; others wait, and it counts")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--seed", options->trial.seed, "Of the arrivals")->capture_default_str();
  app.add_option("--csv", options->csv, "Also write a file with the columns of perf_analyzer");
  options->samples.declare(app);
  return [options](const Context& context) { return run(*options, context); };
}

}  // namespace

Command load_command() {
  return {"load", "Load a server of the Open Inference Protocol: latency at a rate, highest rate",
          declare};
}

}  // namespace planish::cli
