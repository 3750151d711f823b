#include "pipeline/next_steps.h"

#include <fmt/format.h>

#include <algorithm>

#include "planish/base/shell.h"

namespace planish::pipeline {
namespace {

constexpr std::string_view kModel = "OUT/model.onnx";

/// "--data … --preprocess … --labels …": the samples that the run judged by.
std::string judged_by(const AutoConfig& config, bool with_labels) {
  std::string text = " --data " + shell_word(config.eval_data.value_or(config.data).string());
  if (config.preprocess_name != "none")
    text += " --preprocess " + shell_word(config.preprocess_name);
  if (with_labels && config.labels) text += " --labels " + shell_word(config.labels->string());
  return text;
}

/// The command of this run with other thresholds.
std::string auto_command(const AutoReport& report, const AccuracyThresholds& thresholds) {
  const AutoConfig& config = report.config;
  std::string text = "planish auto " + shell_word(report.source_path) + " --data " +
                     shell_word(config.data.string());
  if (config.eval_data) text += " --eval-data " + shell_word(config.eval_data->string());
  if (config.labels) text += " --labels " + shell_word(config.labels->string());
  if (config.preprocess_name != "none")
    text += " --preprocess " + shell_word(config.preprocess_name);
  if (config.threads != 1) text += fmt::format(" --threads {}", config.threads);
  if (config.batch != 1) text += fmt::format(" --batch {}", config.batch);
  return text + fmt::format(" --max-drop {:.4g} --min-cosine {:.6g} -o OUT", thresholds.max_drop,
                            thresholds.min_cosine);
}

/// The fastest model of the front that the thresholds refused, when it is faster than what is
/// handed out: what it would take to have it.
void offer_looser_thresholds(const AutoReport& report, std::vector<NextStep>& steps) {
  const auto refused = std::ranges::find_if(report.front, [&](const FrontPoint& point) {
    return !point.accepted && point.speed_up > 1.05 * report.handed_out().speed_up.median;
  });
  if (refused == report.front.end()) return;
  // Rounded up to what the option is printed with.
  const AccuracyThresholds looser{
      .max_drop = std::max(report.config.thresholds.max_drop, refused->loss * 1.001),
      .min_cosine = std::min(report.config.thresholds.min_cosine, refused->cosine - 1e-6)};
  steps.push_back({fmt::format("To have {:.2f}x for a loss of {:.2f} % and a cosine of {:.5f}",
                               refused->speed_up, 100.0 * refused->loss, refused->cosine),
                   auto_command(report, looser)});
}

void offer_chosen(const AutoReport& report, std::vector<NextStep>& steps) {
  const std::string source = shell_word(report.source_path);
  const CandidateReport& model = report.handed_out();
  steps.push_back({"To serve it, versioned, with a way back",
                   fmt::format("planish store put {} --name NAME --store STORE && planish serve "
                               "--store STORE",
                               kModel)});
  steps.push_back(
      {"To prove it on other samples",
       fmt::format("planish compare {} {} --data OTHER_SAMPLES{}", source, kModel,
                   report.config.preprocess_name == "none"
                       ? ""
                       : " --preprocess " + shell_word(report.config.preprocess_name))});
  steps.push_back(
      {"To measure it on the machine that will run it",
       fmt::format("planish bench {} {} --threads {}", source, kModel, report.config.threads)});
  steps.push_back(
      {"To find out why it is not faster, or more exact",
       fmt::format("planish diagnose {} {}{}", source, kModel, judged_by(report.config, true))});
  if (!model.mixed) return;
  std::string excluded;
  for (const LeftNode& node : model.kept_fp32) {
    if (node.reason.starts_with("accuracy: ")) excluded += " " + shell_word(node.node);
  }
  steps.push_back({"To keep the same layers in FP32 after the next training",
                   "planish quantize NEW_MODEL --data " + shell_word(report.config.data.string()) +
                       (report.config.preprocess_name == "none"
                            ? ""
                            : " --preprocess " + shell_word(report.config.preprocess_name)) +
                       " --exclude" + excluded + " -o OUT.onnx"});
}

}  // namespace

std::vector<NextStep> next_steps(const AutoReport& report) {
  std::vector<NextStep> steps;
  if (report.state == RunState::kInterrupted)
    steps.push_back({"To run it to its end", auto_command(report, report.config.thresholds)});
  if (report.chosen) offer_chosen(report, steps);
  offer_looser_thresholds(report, steps);
  if (!report.chosen) {
    steps.push_back(
        {"To see which layers lose most", "planish sensitivity " + shell_word(report.source_path) +
                                              judged_by(report.config, true) + " -o layers.json"});
  }
  return steps;
}

}  // namespace planish::pipeline
