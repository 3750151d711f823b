#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "command.h"
#include "options.h"
#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/diagnose/diagnose.h"
#include "planish/report/report.h"
#include "terminal.h"

namespace planish::cli {
namespace {

struct Options {
  std::string fp32;
  std::string int8;
  std::string data;
  std::string labels;
  std::string calibration;
  std::string calibration_data;
  std::string html;
  std::string fail_on = "never";
  DataOptions samples;
  TargetOption target;
  DiagnoseConfig config;

  Options() { samples.max_samples = config.max_samples; }
};

std::string percent(double share) { return fixed(100 * share, 1) + " %"; }

/// Lines of at most 100 columns: the first behind `label`, the others as far to the right.
void print_wrapped(std::ostream& out, std::string_view label, std::string_view text) {
  constexpr std::size_t kColumns = 100;
  std::string indent(label);
  while (!text.empty()) {
    std::size_t end = std::min(text.size(), kColumns - indent.size());
    if (end < text.size()) {
      const std::size_t space = text.rfind(' ', end);
      if (space != std::string_view::npos && space > 0) end = space;
    }
    out << indent << text.substr(0, end) << '\n';
    text.remove_prefix(end);
    if (text.starts_with(' ')) text.remove_prefix(1);
    indent.assign(label.size(), ' ');
  }
}

/// "'conv1', 'conv2', 'conv3' and 4 more".
std::string few(const std::vector<std::string>& names) {
  constexpr std::size_t kFew = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kFew); ++i)
    text += (i == 0 ? "'" : ", '") + names[i] + "'";
  if (names.size() > kFew) text += fmt::format(" and {} more", names.size() - kFew);
  return text;
}

std::string gain_text(const Gain& gain) {
  const std::string kind = gain.measured ? "measured" : "at most";
  if (gain.quantity == "latency_ms") {
    return fmt::format("{} ms -> {} ms, {:.2f}x ({})", human_ms(gain.now), human_ms(gain.then),
                       gain.now / gain.then, kind);
  }
  if (gain.quantity == "items_per_s")
    return fmt::format("{:.1f} -> {:.1f} samples a second ({})", gain.now, gain.then, kind);
  if (gain.quantity == "sqnr_db")
    return fmt::format("SQNR {:.1f} dB -> {:.1f} dB ({})", gain.now, gain.then, kind);
  return fmt::format("{} {:.3f} -> {:.3f} ({})", gain.quantity, gain.now, gain.then, kind);
}

void print_finding(std::ostream& out, const Finding& finding) {
  const FindingRow& row = row_of(finding.code);
  out << '\n' << name_of(row.severity) << ' ' << row.name << ": " << row.title << '\n';
  print_wrapped(out, "  found   ", finding.evidence);
  if (!finding.places.empty()) print_wrapped(out, "  at      ", few(finding.places));
  print_wrapped(out, "  why     ", row.meaning);
  print_wrapped(out, "  remedy  ", finding.remedy);
  if (finding.gain) print_wrapped(out, "  gain    ", gain_text(*finding.gain));
  // Not wrapped: they are there to be pasted.
  for (const std::string& command : finding.commands) out << "    " << command << '\n';
}

void print_head(std::ostream& out, const DiagnoseReport& report) {
  out << report.fp32_path << " -> " << report.int8_path << '\n';
  out << report.host.cpu << " (" << name_of(report.target) << "), " << report.host.cores_usable
      << " of " << report.host.cores_online << " cores usable, ONNX Runtime "
      << report.runtime_version << '\n';
  if (report.fp32_bench && report.int8_bench) {
    out << "latency   " << human_ms(report.fp32_bench->latency_ms.p50) << " ms -> "
        << human_ms(report.int8_bench->latency_ms.p50) << " ms, "
        << fixed(report.speed_up.median, 2) << "x (" << fixed(report.speed_up.low, 2) << " to "
        << fixed(report.speed_up.high, 2) << "), " << report.threads << " thread(s), batch "
        << report.batch << '\n';
  }
  if (!report.accuracy) return;
  const AccuracyReport& accuracy = *report.accuracy;
  out << "accuracy  ";
  if (accuracy.fp32_top1 && accuracy.int8_top1) {
    out << "top-1 " << percent(*accuracy.fp32_top1) << " -> " << percent(*accuracy.int8_top1)
        << ", ";
  }
  if (accuracy.top1_agreement) out << "agreement " << percent(*accuracy.top1_agreement) << ", ";
  out << "cosine " << fixed(accuracy.cosine_mean, 4) << ", SQNR " << fixed(accuracy.sqnr_db, 1)
      << " dB, " << accuracy.samples << " samples\n";
}

void print_summary(std::ostream& out, const std::vector<Finding>& findings) {
  std::string text;
  for (const Severity severity : {Severity::kError, Severity::kWarning, Severity::kHint}) {
    const auto count = std::ranges::count_if(
        findings, [&](const Finding& f) { return row_of(f.code).severity == severity; });
    if (count == 0) continue;
    text += fmt::format("{}{} {}{}", text.empty() ? "" : ", ", count, name_of(severity),
                        count == 1 ? "" : "s");
  }
  out << '\n' << (text.empty() ? "nothing found" : text) << '\n';
}

void print_report(std::ostream& out, const DiagnoseReport& report) {
  print_head(out, report);
  print_summary(out, report.findings);
  for (const Finding& finding : report.findings) print_finding(out, finding);
  if (!report.not_checked.empty()) out << "\nnot checked:\n";
  for (const NotChecked& missing : report.not_checked)
    print_wrapped(out, "  ", std::string(row_of(missing.code).name) + ": " + missing.because);
  out << "\n" << fixed(report.seconds, 1) << " s; every code is explained in docs/diagnosis.md\n";
}

DiagnoseConfig config_from(const Options& options) {
  DiagnoseConfig config = options.config;
  const auto path = [](const std::string& text) {
    return text.empty() ? std::nullopt : std::optional<std::filesystem::path>(text);
  };
  config.data = path(options.data);
  config.labels = path(options.labels);
  config.calibration = path(options.calibration);
  config.calibration_data = path(options.calibration_data);
  const DatasetConfig samples = options.samples.config();
  config.preprocess = samples.preprocess;
  config.preprocess_name = options.samples.preprocess;
  config.on_bad_sample = samples.on_bad_sample;
  config.max_samples = samples.max_samples;
  if (options.target.name != "host") config.target = options.target.target();
  if (config.labels && !config.data)
    throw Error(ErrorCode::kInvalidArgument, "--labels needs the samples that they are of: --data");
  return config;
}

int run(const Options& options, const Context& context) {
  const DiagnoseReport report =
      diagnose(options.fp32, options.int8, config_from(options), context.progress, context.stop);
  if (!options.html.empty()) write_file_atomically(options.html, to_html(report));
  clear_progress();
  print(context, to_json(report), [&](std::ostream& out) { print_report(out, report); });
  const auto limit = severity_from(options.fail_on);
  const bool fails = limit && report.worst() && *report.worst() >= *limit;
  return fails ? kExitThresholdFailed : kExitSuccess;
}

void declare(CLI::App& app, Options& options) {
  app.add_option("FP32", options.fp32, "The model that is right (ONNX, .pt2)")->required();
  app.add_option("INT8", options.int8, "The quantized model, made by whatever tool")->required();
  app.add_option("--data", options.data,
                 "Samples like those of production; without: random inputs");
  app.add_option("--labels", options.labels, "Classes of the samples: lines file,label");
  app.add_option("--html", options.html, "Also write the diagnosis as a page: one file");
  auto* calibration =
      app.add_option("--calibration", options.calibration,
                     "The ranges that the INT8 model was made with; default: those that it holds");
  app.add_option("--calibration-data", options.calibration_data,
                 "Or the samples that they come from")
      ->excludes(calibration);
  app.add_option("--threads", options.config.session.threads, "Threads of one run, as served")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_flag("--spinning", options.config.session.spinning,
               "Worker threads busy-wait, as served (ONNX Runtime's own default)");
  app.add_option("--batch", options.config.batch, "Samples in one run, as served")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--seconds", options.config.seconds,
                 "Time for all that is measured or run on samples")
      ->check(CLI::Range(1.0, 86400.0))
      ->capture_default_str();
  app.add_flag("!--no-measure", options.config.measure, "Take no times");
  app.add_option("--fail-on", options.fail_on, "Exit 1 when something as severe is found")
      ->check(CLI::IsMember({"never", "hint", "warning", "error"}))
      ->capture_default_str();
  options.target.declare(app);
  options.samples.declare(app);
}

}  // namespace

Command diagnose_command() {
  return {"diagnose", "Why an INT8 model is slow or wrong: evidence and a remedy for each cause",
          [](CLI::App& app) -> Run {
            auto options = std::make_shared<Options>();
            declare(app, *options);
            return [options](const Context& context) { return run(*options, context); };
          }};
}

}  // namespace planish::cli
