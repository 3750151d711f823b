#include "remedy_options.h"

#include <fmt/format.h>

#include <algorithm>

namespace planish::cli {
namespace {

std::string summary_of(const EqualizeReport& report) {
  const auto equalized = std::ranges::count_if(
      report.sets, [](const EqualizedSet& set) { return set.left_because.empty(); });
  double before = 0.0;
  double after = 0.0;
  for (const EqualizedSet& set : report.sets) {
    before += set.noise_before;
    after += set.noise_after;
  }
  return fmt::format("  equalized: {} of {} sets of channels, predicted noise {:.3g} -> {:.3g}\n",
                     equalized, report.sets.size(), before, after);
}

std::string summary_of(const RoundingReport& report) {
  std::size_t changed = 0;
  std::size_t elements = 0;
  double before = 0.0;
  double after = 0.0;
  for (const RoundedLayer& layer : report.layers) {
    changed += layer.changed;
    elements += layer.elements;
    before += layer.error_before;
    after += layer.error_after;
  }
  return fmt::format(
      "  adaptive rounding: {} of {} weights not to the nearest, mean error of {} layers {:.3g} -> "
      "{:.3g}\n",
      changed, elements, report.layers.size(), before / static_cast<double>(report.layers.size()),
      after / static_cast<double>(report.layers.size()));
}

std::string summary_of(const BiasCorrectionReport& report) {
  return fmt::format("  bias correction: {} layers, {} without a bias\n", report.layers.size(),
                     report.without_bias.size());
}

}  // namespace

void RemedyOptions::declare(CLI::App& app) {
  app.add_flag("--equalize", equalize,
               "Cross-layer equalization: move a factor per channel from layer to layer so that "
               "narrow channels keep their bits. Needs --data");
  app.add_flag("--bias-correction", bias_correction,
               "Take from each bias what rounding shifts the layer's mean by. Needs --data");
  app.add_option("--rounding", rounding,
                 "nearest, or adaptive: weights go up or down such that each layer's output errs "
                 "least. Needs --data")
      ->check(CLI::IsMember({"nearest", "adaptive"}))
      ->capture_default_str();
}

RemedyConfig RemedyOptions::config() const {
  RemedyConfig config;
  if (equalize) config.equalize = EqualizeConfig{};
  if (rounding == "adaptive") config.rounding = RoundingConfig{};
  config.bias_correction = bias_correction;
  return config;
}

std::string summary_of(const RemedyReport& report) {
  std::string text;
  if (report.equalize) text += summary_of(*report.equalize);
  if (report.rounding && !report.rounding->layers.empty()) text += summary_of(*report.rounding);
  if (report.bias_correction) text += summary_of(*report.bias_correction);
  return text;
}

}  // namespace planish::cli
