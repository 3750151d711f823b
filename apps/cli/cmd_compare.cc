#include <memory>

#include "command.h"
#include "options.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/compare/compare.h"
#include "planish/host/host.h"
#include "planish/import/import.h"
#include "terminal.h"

namespace planish::cli {
namespace {

struct Options {
  std::string reference;
  std::string candidate;
  std::string data;
  std::string labels;
  AccuracyThresholds thresholds;
  CompareConfig compare;
  DataOptions samples;
};

std::string share(const std::optional<double>& value) {
  return value ? fixed(100 * *value, 2) + " %" : "-";
}

void print_report(std::ostream& out, const AccuracyReport& report, const Verdict& verdict) {
  out << report.samples << " samples\n";
  if (report.is_classifier) {
    out << "top-1 agreement  " << share(report.top1_agreement) << "\n"
        << "top-" << report.k << " agreement  " << share(report.topk_agreement) << "\n";
  }
  if (report.labelled_samples > 0) {
    out << "top-1 accuracy   " << share(report.fp32_top1) << " -> " << share(report.int8_top1)
        << "  (" << report.labelled_samples << " labelled)\n";
  }
  TextTable table({"output", "cosine mean", "cosine min", "SQNR dB", "max error"});
  for (const OutputAccuracy& output : report.outputs) {
    table.add({output.name, fixed(output.cosine_mean, 6), fixed(output.cosine_min, 6),
               fixed(output.sqnr_db, 2), fixed(output.max_abs_error, 5)});
  }
  table.print(out);
  TextTable worst({"worst samples", "cosine", "first says", "second says", "label"});
  const auto answer = [](const std::optional<std::int64_t>& top) {
    return top ? std::to_string(*top) : "-";
  };
  for (const WorstSample& sample : report.worst) {
    worst.add({sample.name, fixed(sample.cosine, 6), answer(sample.reference_top1),
               answer(sample.candidate_top1), answer(sample.label)});
  }
  out << '\n';
  worst.print(out);
  for (const BadSample& bad : report.bad_samples)
    out << "left out: " << bad.name << ": " << bad.reason << '\n';
  out << '\n' << (verdict.accepted() ? "accepted\n" : "");
  for (const std::string& failure : verdict.failures) out << "rejected: " << failure << '\n';
}

int run(const Options& options, const Context& context) {
  // One thread a session, samples side by side: all cores work, and the result does not vary.
  const auto open = [](const std::string& path) {
    return in_context(path, [&] { return open_any_session(path); });
  };
  const std::unique_ptr<Session> reference = open(options.reference);
  const std::unique_ptr<Session> candidate = open(options.candidate);
  const DatasetConfig data_config = options.samples.config();
  const auto data = open_dataset(options.data, reference->signature(), data_config);
  std::optional<Labels> labels;
  if (!options.labels.empty()) {
    labels = Labels::load(options.labels);
    labels->require_match(*data);
  }
  CompareConfig config = options.compare;
  config.threads = usable_cores();
  config.on_bad_sample = data_config.on_bad_sample;
  const AccuracyReport report = compare(*reference, *candidate, *data, labels ? &*labels : nullptr,
                                        config, context.progress, context.stop);
  const Verdict verdict = judge(report, options.thresholds);
  Json json = to_json(report);
  json["accepted"] = verdict.accepted();
  json["failures"] = verdict.failures;
  clear_progress();
  print(context, json, [&](std::ostream& out) { print_report(out, report, verdict); });
  return verdict.accepted() ? kExitSuccess : kExitThresholdFailed;
}

}  // namespace

Command compare_command() {
  return {"compare", "How close a model's answers are to those of the model it was made from",
          [](CLI::App& app) -> Run {
            auto options = std::make_shared<Options>();
            app.add_option("REFERENCE", options->reference, "The model to trust (ONNX, .pt2): FP32")
                ->required();
            app.add_option("CANDIDATE", options->candidate, "The model to judge (ONNX, .pt2): INT8")
                ->required();
            app.add_option("--data", options->data,
                           "Samples: a folder of images or tensors, or a file of tensors")
                ->required();
            app.add_option("--labels", options->labels, "Classes of the samples: lines file,label");
            app.add_option("--max-drop", options->thresholds.max_drop,
                           "Exit 1 when top-1 accuracy (without labels: agreement) drops by more")
                ->capture_default_str();
            app.add_option("--min-cosine", options->thresholds.min_cosine,
                           "Exit 1 when the mean cosine is less")
                ->capture_default_str();
            app.add_option("--output-name", options->compare.output,
                           "The output that is judged; default: the first");
            app.add_option("--top-k", options->compare.k, "k of top-k agreement")
                ->capture_default_str();
            app.add_option("--worst", options->compare.worst,
                           "How many of the worst samples are named")
                ->capture_default_str();
            options->samples.declare(app);
            return [options](const Context& context) { return run(*options, context); };
          }};
}

}  // namespace planish::cli
