#include <memory>

#include "command.h"
#include "options.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/bench/bench.h"
#include "planish/host/host.h"
#include "planish/import/import.h"
#include "terminal.h"

namespace planish::cli {
namespace {

struct Options {
  std::vector<std::string> models;
  std::string data;
  std::size_t batch = 1;
  std::int64_t unknown_dim = 1;
  bool end_to_end = false;
  SessionConfig session;
  BenchConfig bench;
  DataOptions samples;
};

/// All models take the same inputs: the first samples of the data, or random numbers.
std::vector<NamedTensor> make_inputs(const Options& options, const Signature& signature,
                                     const Dataset* data) {
  if (data == nullptr) return random_inputs(signature, options.batch, options.unknown_dim);
  std::vector<Sample> samples;
  for (std::size_t i = 0; i < std::min(options.batch, data->size()); ++i)
    samples.push_back(data->read(i));
  return stack_samples(samples, options.batch);
}

void print_report(std::ostream& out, const Options& options, const BenchReport& report) {
  TextTable table({"model", "p50 ms", "p90 ms", "p95 ms", "p99 ms", "mean ms", "min ms", "QPS",
                   "speed-up", "95 %"});
  for (const BenchResult& result : report.results) {
    const LatencySummary& ms = result.latency_ms;
    const RatioEstimate ratio = speed_up(report.results.front(), result);
    table.add({result.name, human_ms(ms.p50), human_ms(ms.p90), human_ms(ms.p95), human_ms(ms.p99),
               human_ms(ms.mean), human_ms(ms.min), fixed(result.qps, 1),
               fixed(ratio.median, 2) + "x", fixed(ratio.low, 2) + "-" + fixed(ratio.high, 2)});
  }
  table.print(out);
  out << options.session.threads << " thread(s), batch " << options.batch
      << ", one caller, spinning " << (options.session.spinning ? "on" : "off") << "; other load "
      << fixed(100 * report.other_load_share, 1) << " %, steal "
      << fixed(100 * report.steal_share, 1) << " % of the CPU\n";
}

int run(const Options& options, const Context& context) {
  std::vector<std::unique_ptr<Session>> sessions;
  for (const std::string& model : options.models) {
    sessions.push_back(in_context(model, [&] { return open_any_session(model, options.session); }));
  }
  const Signature& signature = sessions.front()->signature();
  std::unique_ptr<Dataset> data;
  if (!options.data.empty()) data = open_dataset(options.data, signature, options.samples.config());
  const std::vector<NamedTensor> inputs = make_inputs(options, signature, data.get());
  std::vector<BenchSubject> subjects;
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    // Refused here, with the model's name, rather than in the middle of the run.
    in_context(options.models[i], [&] { sessions[i]->run(inputs); });
    subjects.push_back(inference_subject(options.models[i], *sessions[i], inputs, options.batch));
  }
  if (options.end_to_end) {
    if (data == nullptr) throw Error(ErrorCode::kInvalidArgument, "--end-to-end needs --data");
    for (std::size_t i = 0; i < sessions.size(); ++i) {
      subjects.push_back(
          end_to_end_subject(options.models[i] + " end to end", *data, sessions[i].get()));
    }
    subjects.push_back(end_to_end_subject("reading and preprocessing", *data, nullptr));
  }
  const BenchReport report =
      bench_interleaved(subjects, options.bench, steady_clock(), context.progress, context.stop);
  Json json = to_json(report);
  for (std::size_t i = 0; i < report.results.size(); ++i) {
    const RatioEstimate ratio = speed_up(report.results.front(), report.results[i]);
    json["results"][i]["speedup"] = {
        {"median", ratio.median}, {"low95", ratio.low}, {"high95", ratio.high}};
  }
  json["threads"] = options.session.threads;
  json["batch"] = options.batch;
  json["spinning"] = options.session.spinning;
  json["host"] = to_json(describe_host());
  json["host"]["onnxruntime"] = runtime_version();
  clear_progress();
  print(context, json, [&](std::ostream& out) { print_report(out, options, report); });
  return kExitSuccess;
}

}  // namespace

Command bench_command() {
  return {
      "bench", "Measure models in one interleaved run: p50 to p99, QPS, speed-up against the first",
      [](CLI::App& app) -> Run {
        auto options = std::make_shared<Options>();
        app.add_option("MODEL", options->models,
                       "One or more models (ONNX, .pt2) with the same inputs")
            ->required();
        app.add_option("--data", options->data, "Samples to run on; without it, random numbers");
        app.add_option("--threads", options->session.threads, "Threads of one inference")
            ->check(CLI::Range(1, 1024))
            ->capture_default_str();
        app.add_option("--batch", options->batch, "Samples in one inference")
            ->check(CLI::Range(1, 65536))
            ->capture_default_str();
        app.add_option("--seconds", options->bench.seconds, "Measured time per model")
            ->check(CLI::Range(0.01, 86400.0))
            ->capture_default_str();
        app.add_option("--warmup", options->bench.warmup_runs, "Runs per model that do not count")
            ->capture_default_str();
        app.add_option("--unknown-dim", options->unknown_dim,
                       "What a symbolic dimension other than the first is for random inputs")
            ->check(CLI::PositiveNumber)
            ->capture_default_str();
        app.add_flag("--spinning", options->session.spinning, "Let worker threads busy-wait");
        app.add_flag("--end-to-end", options->end_to_end,
                     "Also with reading, decoding and preprocessing");
        options->samples.declare(app);
        return [options](const Context& context) { return run(*options, context); };
      }};
}

}  // namespace planish::cli
