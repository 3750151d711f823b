#include "pipeline/next_steps.h"

#include <fmt/format.h>

#include <algorithm>

#include "planish/base/shell.h"

namespace planish::pipeline {
namespace {

constexpr std::string_view kModel = "OUT/model.onnx";

/// " --NAME VALUE", or nothing without a value.
std::string option(std::string_view name, const std::optional<std::string>& value) {
  return value ? fmt::format(" --{} {}", name, shell_word(*value)) : std::string();
}

std::string path_option(std::string_view name, const std::optional<std::filesystem::path>& path) {
  return path ? option(name, path->string()) : std::string();
}

std::string preprocess_option(const AutoConfig& config) {
  if (config.preprocess_name == "none") return {};
  return option("preprocess", config.preprocess_name);
}

/// The samples that the run judged by.
std::string judged_by(const AutoConfig& config) {
  return path_option("data", config.eval_data.value_or(config.data)) + preprocess_option(config) +
         path_option("labels", config.labels);
}

/// The command of this run with other thresholds.
std::string auto_command(const AutoReport& report, const AccuracyThresholds& thresholds) {
  const AutoConfig& config = report.config;
  std::string text = fmt::format("planish auto {}", shell_word(report.source_path));
  text += path_option("data", config.data) + path_option("eval-data", config.eval_data) +
          path_option("labels", config.labels) + preprocess_option(config);
  if (config.threads != 1) text += fmt::format(" --threads {}", config.threads);
  if (config.batch != 1) text += fmt::format(" --batch {}", config.batch);
  if (config.answers == OutputMeaning::kClasses) text += " --answers classes";
  if (config.answers == OutputMeaning::kValues) text += " --answers values";
  text += fmt::format(" --max-drop {:.4g} --min-cosine {:.6g} -o OUT", thresholds.max_drop,
                      thresholds.min_cosine);
  return text;
}

/// The fastest model of the front that the thresholds refused, when it is faster than what is
/// handed out: what it would take to have it.
void offer_looser_thresholds(const AutoReport& report, std::vector<NextStep>& steps) {
  const auto refused = std::ranges::find_if(report.front, [&](const FrontPoint& point) {
    return !point.accepted && point.speed_up > 1.05 * report.handed_out().speed_up.median;
  });
  if (refused == report.front.end()) return;
  // Beyond what rounding takes away when the options are printed.
  const AccuracyThresholds looser{
      .max_drop = std::max(report.config.thresholds.max_drop, refused->loss * 1.001),
      .min_cosine = std::min(report.config.thresholds.min_cosine, refused->cosine - 1e-6)};
  steps.push_back({fmt::format("To have {:.2f}x for a loss of {:.2f} % and a cosine of {:.5f}",
                               refused->speed_up, 100.0 * refused->loss, refused->cosine),
                   auto_command(report, looser)});
}

void offer_same_layers(const AutoReport& report, std::vector<NextStep>& steps) {
  const CandidateReport& model = report.handed_out();
  if (!model.mixed) return;
  std::string excluded;
  for (const LeftNode& node : model.kept_fp32) {
    if (node.reason.starts_with("accuracy: "))
      excluded += fmt::format(" {}", shell_word(node.node));
  }
  steps.push_back({"To keep the same layers in FP32 after the next training",
                   fmt::format("planish quantize NEW_MODEL{}{} --exclude{} -o int8.onnx",
                               path_option("data", report.config.data),
                               preprocess_option(report.config), excluded)});
}

/// As a sweep found it best; nothing without one.
std::string threads_option(const AutoReport& report) {
  return report.sweep ? fmt::format(" --threads {}", report.sweep->best.threads) : std::string();
}
std::string workers_option(const AutoReport& report) {
  return report.sweep ? fmt::format(" --workers {}", report.sweep->best.callers) : std::string();
}

void offer_chosen(const AutoReport& report, std::vector<NextStep>& steps) {
  const AutoConfig& config = report.config;
  const std::string source = shell_word(report.source_path);
  steps.push_back({"To serve it, versioned, with a way back",
                   fmt::format("planish store put {} --name NAME{} --store STORE && planish serve "
                               "--store STORE{}",
                               kModel, threads_option(report), workers_option(report))});
  steps.push_back(
      {"To prove it on other samples", fmt::format("planish compare {} {} --data OTHER_SAMPLES{}",
                                                   source, kModel, preprocess_option(config))});
  steps.push_back(
      {"To measure it on the machine that will run it",
       fmt::format("planish bench {} {} --threads {}", source, kModel, config.threads)});
  steps.push_back({"To find out why it is not faster, or more exact",
                   fmt::format("planish diagnose {} {}{}", source, kModel, judged_by(config))});
  offer_same_layers(report, steps);
}

}  // namespace

std::vector<NextStep> next_steps(const AutoReport& report) {
  std::vector<NextStep> steps;
  if (report.state == RunState::kInterrupted)
    steps.push_back({"To run it to its end", auto_command(report, report.config.thresholds)});
  if (report.chosen) offer_chosen(report, steps);
  offer_looser_thresholds(report, steps);
  if (!report.chosen) {
    steps.push_back({"To see which layers lose most",
                     fmt::format("planish sensitivity {}{} -o layers.json",
                                 shell_word(report.source_path), judged_by(report.config))});
  }
  return steps;
}

}  // namespace planish::pipeline
