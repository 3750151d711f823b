#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <iostream>
#include <memory>

#include "command.h"
#include "options.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/report/report.h"
#include "terminal.h"

namespace planish::cli {
namespace {

struct Options {
  std::string model;
  std::string eval_data;
  std::string labels;
  std::string output;
  std::string budget;
  std::string answers = "auto";
  std::vector<std::string> engines{"cpu"};
  bool no_remedies = false;
  bool no_mixed = false;
  bool tune = false;
  ObjectiveOptions objective;
  AutoConfig config;
  MethodOptions ranges{AutoConfig{}.calibration_method};
  DataOptions samples;
  TargetOption target;
};

/// "90", "90s", "10m", "1h" in seconds.
double parse_duration(const std::string& text) {
  double number = 0.0;
  const char* end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, number);
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  const double factor = unit.empty() || unit == "s" ? 1.0
                        : unit == "m"               ? 60.0
                        : unit == "h"               ? 3600.0
                                                    : 0.0;
  if (failure != std::errc{} || factor == 0.0 || !(number > 0)) {
    throw Error(ErrorCode::kInvalidArgument,
                "--budget " + text + "; expected a time such as 90s, 10m or 1h");
  }
  return number * factor;
}

std::string share(const std::optional<double>& value) {
  return value ? fixed(100 * *value, 2) + " %" : "-";
}

std::vector<std::string> summary_row(const std::string& name, const CandidateReport& model,
                                     const std::optional<double>& top1) {
  const LatencySummary ms = model.bench ? model.bench->latency_ms : LatencySummary{};
  return {name,
          human_ms(ms.p50),
          human_ms(ms.p95),
          model.bench ? fixed(model.bench->qps, 1) : "-",
          human_bytes(model.bytes),
          share(top1),
          model.accuracy ? share(model.accuracy->top1_agreement) : "-",
          model.accuracy ? fixed(model.accuracy->cosine_mean, 5) : "-",
          model.bench ? fixed(model.speed_up.median, 2) + "x" : "-"};
}

void print_candidates(std::ostream& out, const AutoReport& report) {
  for (std::size_t i = 0; i < report.candidates.size(); ++i) {
    const CandidateReport& candidate = report.candidates[i];
    if (report.chosen == i) continue;
    out << "  " << candidate.name << ": "
        << candidate.rejected_because.value_or(
               fixed(candidate.speed_up.median, 2) + "x, SQNR " +
               fixed(candidate.accuracy ? candidate.accuracy->sqnr_db : 0.0, 1) +
               " dB: slower, or as fast and not the most accurate")
        << '\n';
  }
}

/// What could be had for which loss, when nothing was within the thresholds.
void print_front(std::ostream& out, const AutoReport& report) {
  out << "latency against accuracy:\n";
  TextTable table({"", "p50 ms", "speed-up", "loss", "cosine"});
  for (const FrontPoint& point : report.front) {
    table.add({point.name, human_ms(point.p50_ms), fixed(point.speed_up, 2) + "x",
               fixed(100 * point.loss, 2) + " %", fixed(point.cosine, 5)});
  }
  table.print(out);
}

/// Said before the long part begins, on the way of messages.
void print_search_cost(const MixedSearchCost& cost) {
  clear_progress();
  std::cerr << fmt::format(
      "no model of full INT8 is accurate enough: searching layers to keep in FP32, with at most "
      "{:.0f} runs of the model to find what each loses and {} trials of {:.0f} runs: {:.1f} "
      "evaluations of the model, and {:.0f} s of timing\n",
      cost.analysis_runs, cost.trials, cost.trial_runs / static_cast<double>(cost.trials),
      cost.evaluations(), cost.seconds_of_timing);
}

void print_report(std::ostream& out, const AutoReport& report,
                  const std::filesystem::path& folder) {
  const CandidateReport& chosen = report.handed_out();
  out << report.source_path << ": " << report.inspection.advice << "\n\n";
  TextTable table(
      {"", "p50 ms", "p95 ms", "QPS", "size", "top-1", "agreement", "cosine", "speed-up"});
  const std::optional<double> none;
  table.add(
      summary_row("FP32", report.baseline, chosen.accuracy ? chosen.accuracy->fp32_top1 : none));
  if (report.chosen) {
    table.add(summary_row(chosen.precision == Precision::kMixed ? "INT8 mixed" : "INT8", chosen,
                          chosen.accuracy ? chosen.accuracy->int8_top1 : none));
  }
  table.print(out);
  if (report.end_to_end) {
    const EndToEndReport& e2e = *report.end_to_end;
    out << "end to end with preprocessing: " << human_ms(e2e.fp32.latency_ms.p50) << " -> "
        << human_ms(e2e.chosen.latency_ms.p50) << " ms ("
        << fixed(speed_up(e2e.fp32, e2e.chosen).median, 2) << "x), of which preprocessing "
        << human_ms(e2e.preprocess.latency_ms.p50) << " ms\n";
  }
  if (report.state == RunState::kInterrupted)
    out << "\ninterrupted: this is the best until then, by a short measurement\n";
  if (report.chosen) {
    out << fmt::format(
        "\nverdict: {} is {:.2f}x faster (95 % interval {:.2f} to {:.2f}) and within the "
        "thresholds\n",
        chosen.name, chosen.speed_up.median, chosen.speed_up.low, chosen.speed_up.high);
    if (chosen.remedies) {
      out << fmt::format("  remedies took {:.1f} s and gained {:.1f} dB of SQNR over {}\n",
                         chosen.remedies->seconds, chosen.remedies->sqnr_gain_db,
                         chosen.remedies->of);
    }
  } else {
    out << "\nverdict: no INT8 model is both faster and accurate: FP32 is handed out\n";
    print_front(out, report);
  }
  print_candidates(out, report);
  if (report.sweep) {
    out << "\nhow to run it, against 1 thread, 1 caller, batch 1:\n";
    for (const std::string& line : explain(*report.sweep)) out << "  " << line << '\n';
    out << '\n';
  }
  for (const Advice& advice : report.advice)
    out << "  [" << advice.code << "] " << advice.text << '\n';
  if (!report.next.empty()) out << "\nnext (OUT: " << folder.string() << ")\n";
  for (const NextStep& step : report.next)
    out << "  " << step.what << ":\n    " << step.command << '\n';
  out << "\nmodel   " << (folder / "model.onnx").string() << "\nreport  "
      << (folder / "report.html").string() << '\n';
}

int run(Options& options, const Context& context) {
  AutoConfig& config = options.config;
  const DatasetConfig data = options.samples.config();
  config.preprocess = data.preprocess;
  config.preprocess_name = options.samples.preprocess;
  config.on_bad_sample = data.on_bad_sample;
  config.max_calibration_samples = data.max_samples;
  config.calibration_method = options.ranges.method();
  config.range_options = options.ranges.ranges;
  config.target = options.target.target();
  config.remedies = !options.no_remedies;
  config.mixed_precision = !options.no_mixed;
  if (options.tune) config.tune = options.objective.config();
  config.answers = options.answers == "classes"  ? OutputMeaning::kClasses
                   : options.answers == "values" ? OutputMeaning::kValues
                                                 : OutputMeaning::kAuto;
  if (!options.eval_data.empty()) config.eval_data = options.eval_data;
  if (!options.labels.empty()) config.labels = options.labels;
  if (!options.budget.empty()) config.budget_seconds = parse_duration(options.budget);
  for (const std::string& engine : options.engines) {
    if (engine != "cpu") {
      throw Error(ErrorCode::kUnsupported,
                  "--engine " + engine + "; this version measures cpu only");
    }
  }
  const std::filesystem::path folder = options.output;
  // Found out now rather than after minutes of work.
  if (std::filesystem::exists(folder) && !std::filesystem::is_directory(folder)) {
    throw Error(ErrorCode::kInvalidArgument,
                folder.string() + " is a file; expected a folder to write to");
  }
  config.on_better = [&](const AutoResult& best) { save_auto_result(best, folder); };
  config.on_search = print_search_cost;
  const AutoResult result = in_context(options.model, [&] {
    return run_auto(options.model, config, context.progress, context.stop);
  });
  save_auto_result(result, folder);
  clear_progress();
  print(context, to_json(result.report),
        [&](std::ostream& out) { print_report(out, result.report, folder); });
  if (result.report.state == RunState::kInterrupted)
    return row_of(ErrorCode::kCancelled).exit_status;
  return result.report.chosen ? kExitSuccess : kExitThresholdFailed;
}

}  // namespace

Command auto_command() {
  return {
      "auto",
      "The whole way: baseline, INT8 candidates, accuracy, speed, and the fastest that is accurate",
      [](CLI::App& app) -> Run {
        auto options = std::make_shared<Options>();
        AutoConfig& config = options->config;
        app.add_option("MODEL", options->model,
                       "The FP32 model: an ONNX file, or a .pt2 of torch.export")
            ->required();
        app.add_option("--data", config.data, "Samples to calibrate with: images or tensors")
            ->required();
        app.add_option("--eval-data", options->eval_data,
                       "Samples to judge by; default: those of --data");
        app.add_option("--labels", options->labels,
                       "Classes of the samples to judge by: lines file,label");
        app.add_option(
               "-o,--output", options->output,
               "Folder for model.onnx and the reports. The best model so far is there from when "
               "there is one; after an interrupt (exit status 5) it stays, and report.json "
               "says `interrupted`")
            ->required();
        app.add_option("--threads", config.threads,
                       "Threads of one inference, as it will be served")
            ->check(CLI::Range(1, 1024))
            ->capture_default_str();
        app.add_option("--batch", config.batch, "Samples in one inference when speed is measured")
            ->check(CLI::Range(1, 65536))
            ->capture_default_str();
        app.add_option("--max-drop", config.thresholds.max_drop,
                       "Largest loss of top-1 accuracy (without labels: of agreement)")
            ->capture_default_str();
        app.add_option("--min-cosine", config.thresholds.min_cosine,
                       "Least mean cosine with FP32's output")
            ->capture_default_str();
        app.add_option("--answers", options->answers,
                       "What the first output holds: classes; values (an embedding, a mask: "
                       "--max-drop does not count then); auto: classes when it is [N, 2 or more]")
            ->check(CLI::IsMember({"auto", "classes", "values"}))
            ->capture_default_str();
        app.add_option("--max-eval-samples", config.max_eval_samples,
                       "Judge by no more samples (0: all)")
            ->capture_default_str();
        app.add_option("--bench-seconds", config.bench_seconds, "Measured time per candidate")
            ->check(CLI::Range(0.05, 3600.0))
            ->capture_default_str();
        app.add_option("--budget", options->budget,
                       "No new candidate is begun after this: 90s, 10m, 1h")
            ->default_str("10m");
        app.add_flag("--no-remedies", options->no_remedies,
                     "Do not try what wins accuracy back (rounding by layers' outputs, bias "
                     "correction, equalization, smoothing): it takes passes over the samples");
        app.add_flag("--no-mixed", options->no_mixed,
                     "Do not search layers to keep in FP32 when full INT8 is not accurate enough");
        auto* tune =
            app.add_flag("--tune", options->tune,
                         "Also look for the threads, callers side by side, batch and session "
                         "options to serve the model with, as `bench --sweep` does");
        options->objective.declare(app, *tune);
        app.add_option("--engine", options->engines, "Engines to measure: cpu")
            ->delimiter(',')
            ->capture_default_str();
        options->ranges.declare(app);
        options->target.declare(app);
        options->samples.declare(app);
        return [options](const Context& context) { return run(*options, context); };
      }};
}

}  // namespace planish::cli
