#include "remedy_options.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace planish::cli {
namespace {

template <typename Item, typename T>
T sum_of(const std::vector<Item>& items, T Item::*member) {
  T sum{};
  for (const Item& item : items) sum += item.*member;
  return sum;
}

template <typename Item>
double mean_of(const std::vector<Item>& items, double Item::*member) {
  return sum_of(items, member) / static_cast<double>(items.size());
}

std::string summary_of(const EqualizeReport& report) {
  return fmt::format("  equalized: {} of {} sets of channels, predicted noise {:.3g} -> {:.3g}\n",
                     report.equalized(), report.sets.size(),
                     sum_of(report.sets, &EqualizedSet::noise_before),
                     sum_of(report.sets, &EqualizedSet::noise_after));
}

std::string summary_of(const SmoothReport& report) {
  return fmt::format(
      "  smoothed: {} of {} activations, {} with a Mul, predicted noise {:.3g} -> {:.3g}\n",
      report.smoothed(), report.inputs.size(), report.muls_added(),
      sum_of(report.inputs, &SmoothedInput::noise_before),
      sum_of(report.inputs, &SmoothedInput::noise_after));
}

std::string summary_of(const ClippingReport& report) {
  return fmt::format(
      "  weight clipping: {} of {} scales, mean error of {} layers {:.3g} -> {:.3g}\n",
      sum_of(report.layers, &ClippedLayer::clipped), sum_of(report.layers, &ClippedLayer::scales),
      report.layers.size(), mean_of(report.layers, &ClippedLayer::error_before),
      mean_of(report.layers, &ClippedLayer::error_after));
}

std::string summary_of(const RoundingReport& report) {
  return fmt::format(
      "  adaptive rounding: {} of {} weights not to the nearest, mean error of {} layers {:.3g} -> "
      "{:.3g}\n",
      sum_of(report.layers, &RoundedLayer::changed), sum_of(report.layers, &RoundedLayer::elements),
      report.layers.size(), mean_of(report.layers, &RoundedLayer::error_before),
      mean_of(report.layers, &RoundedLayer::error_after));
}

std::string summary_of(const BiasCorrectionReport& report) {
  return fmt::format("  bias correction: {} layers, {} without a bias\n", report.layers.size(),
                     report.without_bias.size());
}

}  // namespace

void RemedyOptions::declare(CLI::App& app) {
  app.add_flag("--no-remedies", none,
               "Not even those that profile best uses by itself with --data of 32 samples or more, "
               "static: adaptive rounding and bias correction");
  app.add_flag("--equalize", equalize,
               "Cross-layer equalization: move a factor per channel from layer to layer so that "
               "narrow channels keep their bits. Needs --data");
  app.add_flag("--smooth", smooth,
               "SmoothQuant: fold outliers of activations into the weights that read them and the "
               "normalization before. Needs --data");
  app.add_flag(
      "--smooth-with-mul", smooth_with_mul,
      "The same, with a Mul where there is nothing to fold into: where it wins 30 % of the "
      "predicted noise");
  app.add_option("--weight-clipping", weight_clipping,
                 "none, or mse: a scale for each channel by the squared error of its weights, "
                 "weighted by their inputs. Needs --data")
      ->check(CLI::IsMember({"none", "mse"}))
      ->capture_default_str();
  auto* bias =
      app.add_flag("--bias-correction", bias_correction,
                   "Take from each bias what rounding shifts the layer's mean by. Needs --data");
  app.add_flag("--no-bias-correction", no_bias_correction, "Leave biases as they are")
      ->excludes(bias);
  app.add_option("--rounding", rounding,
                 "nearest, or adaptive: weights go up or down such that each layer's output errs "
                 "least. Needs --data")
      ->check(CLI::IsMember({"nearest", "adaptive"}));
}

RemedyConfig RemedyOptions::config(RemedyConfig defaults) const {
  RemedyConfig config = none ? RemedyConfig{} : std::move(defaults);
  if (equalize) config.equalize = EqualizeConfig{};
  if (smooth || smooth_with_mul) config.smooth = SmoothConfig{};
  if (smooth_with_mul) config.smooth->min_gain_of_mul = kGainWorthAMul;
  if (weight_clipping == "mse") config.clipping = ClippingConfig{};
  if (rounding == "adaptive") config.rounding = RoundingConfig{};
  if (rounding == "nearest") config.rounding.reset();
  if (bias_correction) config.bias_correction = true;
  if (no_bias_correction) config.bias_correction = false;
  return config;
}

std::string summary_of(const RemedyReport& report) {
  std::string text;
  if (report.equalize) text += summary_of(*report.equalize);
  if (report.smooth) text += summary_of(*report.smooth);
  if (report.clipping && !report.clipping->layers.empty()) text += summary_of(*report.clipping);
  if (report.rounding && !report.rounding->layers.empty()) text += summary_of(*report.rounding);
  if (report.bias_correction) text += summary_of(*report.bias_correction);
  return text;
}

}  // namespace planish::cli
