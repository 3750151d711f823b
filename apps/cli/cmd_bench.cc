#include <memory>

#include "command.h"
#include "options.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/bench/bench.h"
#include "planish/bench/sweep.h"
#include "planish/host/host.h"
#include "planish/host/peaks.h"
#include "planish/import/import.h"
#include "planish/inspect/work_split.h"
#include "planish/runtime/probe.h"
#include "terminal.h"

namespace planish::cli {
namespace {

struct Options {
  std::vector<std::string> models;
  std::string data;
  std::size_t batch = 1;
  std::int64_t unknown_dim = 1;
  bool end_to_end = false;
  bool sweep = false;
  ObjectiveOptions objective;
  std::vector<std::size_t> batches = SweepConfig{}.batches;
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

/// What the arithmetic of a model takes at the CPU's measured peak.
struct Limit {
  WorkSplit work = {};
  std::optional<double> least_ms = {};  // nothing: not known here
};

/// One per model, in order. A model whose work cannot be told (an operator of one's own) has none.
std::vector<Limit> limits_of(const Options& options, const HostPeaks& peaks,
                             std::span<const NamedTensor> inputs) {
  std::vector<Limit> limits;
  for (const std::string& path : options.models) {
    Limit& limit = limits.emplace_back();
    try {
      limit.work = work_split(load_any_model(path), inputs);
    } catch (const Error&) {
      continue;
    }
    const auto& [fp32, int8, unknown] = limit.work;
    if (unknown > 0 || fp32 + int8 == 0) continue;
    const auto time = least_time(peaks, static_cast<double>(fp32), static_cast<double>(int8),
                                 options.session.threads);
    if (time) limit.least_ms = 1e3 * time->count();
  }
  return limits;
}

std::optional<double> share_of_limit(std::span<const Limit> limits, std::size_t i,
                                     const BenchResult& result) {
  if (i >= limits.size() || !limits[i].least_ms || result.latency_ms.p50 <= 0) return std::nullopt;
  return *limits[i].least_ms / result.latency_ms.p50;
}

void print_report(std::ostream& out, const Options& options, const BenchReport& report,
                  std::span<const Limit> limits) {
  TextTable table({"model", "p50 ms", "p90 ms", "p95 ms", "p99 ms", "mean ms", "min ms", "QPS",
                   "of limit", "speed-up", "95 %"});
  for (std::size_t i = 0; i < report.results.size(); ++i) {
    const BenchResult& result = report.results[i];
    const LatencySummary& ms = result.latency_ms;
    const RatioEstimate ratio = speed_up(report.results.front(), result);
    const auto share = share_of_limit(limits, i, result);
    table.add({result.name, human_ms(ms.p50), human_ms(ms.p90), human_ms(ms.p95), human_ms(ms.p99),
               human_ms(ms.mean), human_ms(ms.min), fixed(result.qps, 1),
               share ? fixed(100 * *share, 0) + " %" : "-", fixed(ratio.median, 2) + "x",
               fixed(ratio.low, 2) + "-" + fixed(ratio.high, 2)});
  }
  table.print(out);
  out << options.session.threads << " thread(s), batch " << options.batch
      << ", one caller, spinning " << (options.session.spinning ? "on" : "off") << "; other load "
      << fixed(100 * report.other_load_share, 1) << " %, steal "
      << fixed(100 * report.steal_share, 1) << " % of the CPU\n";
}

void print_sweep(std::ostream& out, const SweepReport& report) {
  std::vector<std::string> header = {"threads", "callers", "batch"};
  for (std::size_t i = 0; i < report.models.size(); ++i) {
    header.push_back(report.models[i] + " items/s");
    header.emplace_back("p99 ms");
    if (i > 0) header.emplace_back("speed-up");
  }
  TextTable table(header);
  for (const SweepCell& cell : report.cells) {
    std::vector<std::string> row = {std::to_string(cell.point.threads),
                                    std::to_string(cell.point.callers),
                                    std::to_string(cell.point.batch)};
    for (std::size_t i = 0; i < report.models.size(); ++i) {
      const bool measured = i < cell.models.size();
      row.push_back(measured ? fixed(cell.models[i].items_per_second(), 1) : "-");
      row.push_back(measured ? human_ms(summarize(cell.models[i].run_ms).p99) : "-");
      if (i == 0) continue;
      row.push_back(measured ? fixed(cell.models[i].items_per_second() /
                                         cell.models.front().items_per_second(),
                                     2) +
                                   "x"
                             : "-");
    }
    table.add(std::move(row));
  }
  table.print(out);
  for (const SweepCell& cell : report.cells) {
    if (!cell.refused.empty())
      out << "not at " << to_string(cell.point) << ": " << cell.refused << '\n';
  }
  out << "\n" << report.models.back() << ", against 1 thread, 1 caller, batch 1:\n";
  for (const std::string& line : explain(report)) out << "  " << line << '\n';
  if (!report.within_limit) return;
  out << "to serve it so: planish store put " << report.models.back() << " --name NAME --threads "
      << report.best.threads << " --store DIR && planish serve --store DIR --workers "
      << report.best.callers << '\n';
}

int run_sweep(const Options& options, const Context& context) {
  SweepConfig config = options.objective.config();
  config.batches = options.batches;
  config.seconds = options.bench.seconds / 10;
  // Read once: sessions are opened for many settings.
  std::vector<Model> models;
  for (const std::string& path : options.models)
    models.push_back(in_context(path, [&] { return load_any_model(path); }));
  const auto open = [&](std::size_t model, const SessionConfig& session) {
    return in_context(options.models[model], [&] {
      return std::shared_ptr<Session>(open_session(models[model], session));
    });
  };
  const Signature signature =
      in_context(options.models.front(), [&] { return signature_of(models.front()); });
  std::unique_ptr<Dataset> data;
  if (!options.data.empty()) data = open_dataset(options.data, signature, options.samples.config());
  const auto inputs_of = [&](std::size_t batch) {
    Options sized = options;
    sized.batch = batch;
    return make_inputs(sized, signature, data.get());
  };
  const SweepReport report =
      sweep(options.models, config, session_meter(open, inputs_of), context.progress, context.stop);
  Json json = to_json(report);
  json["host"] = to_json(describe_host());
  json["host"]["onnxruntime"] = runtime_version();
  clear_progress();
  print(context, json, [&](std::ostream& out) { print_sweep(out, report); });
  return report.within_limit ? kExitSuccess : kExitThresholdFailed;
}

int run(const Options& options, const Context& context) {
  if (options.sweep) return run_sweep(options, context);
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
  // Before the models, so that a core that has slowed under their load is not taken as the limit.
  const HostReport host = describe_host();
  const HostPeaks peaks = measure_peaks(host);
  const std::vector<Limit> limits = limits_of(options, peaks, inputs);
  const BenchReport report =
      bench_interleaved(subjects, options.bench, steady_clock(), context.progress, context.stop);
  Json json = to_json(report);
  for (std::size_t i = 0; i < report.results.size(); ++i) {
    const RatioEstimate ratio = speed_up(report.results.front(), report.results[i]);
    json["results"][i]["speedup"] = {
        {"median", ratio.median}, {"low95", ratio.low}, {"high95", ratio.high}};
    if (i >= limits.size()) continue;  // end to end: not arithmetic alone
    const auto share = share_of_limit(limits, i, report.results[i]);
    json["results"][i]["limit"] = {
        {"fp32_macs", limits[i].work.fp32_macs},
        {"int8_macs", limits[i].work.int8_macs},
        {"least_ms", limits[i].least_ms ? Json(*limits[i].least_ms) : Json()},
        {"share", share ? Json(*share) : Json()}};
  }
  json["threads"] = options.session.threads;
  json["batch"] = options.batch;
  json["spinning"] = options.session.spinning;
  json["host"] = to_json(host);
  json["host"]["peaks"] = to_json(peaks);
  json["host"]["onnxruntime"] = runtime_version();
  clear_progress();
  print(context, json, [&](std::ostream& out) { print_report(out, options, report, limits); });
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
        auto* sweep = app.add_flag(
            "--sweep", options->sweep,
            "Look for the threads, callers side by side, batch and session options that serve the "
            "last model best; --seconds / 10 for each of them at first");
        options->objective.declare(app, *sweep);
        app.add_option("--batches", options->batches, "Of --sweep: the batches to try")
            ->needs(sweep)
            ->check(CLI::Range(1, 65536))
            ->delimiter(',')
            ->capture_default_str();
        options->samples.declare(app);
        return [options](const Context& context) { return run(*options, context); };
      }};
}

}  // namespace planish::cli
