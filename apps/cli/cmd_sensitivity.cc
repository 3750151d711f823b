#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include "command.h"
#include "options.h"
#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/calibrate/calibrate.h"
#include "planish/quantize/plan.h"
#include "planish/runtime/probe.h"
#include "planish/sensitivity/sensitivity.h"
#include "terminal.h"

namespace planish::cli {
namespace {

struct Options {
  std::string model;
  std::string data;
  std::string labels;
  std::string output;
  std::string mode = std::string(name_of(QuantizationMode::kStatic));
  bool no_only_fp32 = false;
  std::size_t shown = 20;
  std::size_t max_memory_mb = SensitivityConfig{}.max_bytes >> 20;
  SensitivityConfig config;
  MethodOptions ranges{CalibrationMethod::kAuto};
  DataOptions samples;
  TargetOption target;
};

QuantizationConfig quantization_of(const Options& options) {
  QuantizationConfig config;
  config.mode = quantization_mode_from(options.mode).value();
  config.target = options.target.target();
  if (config.mode == QuantizationMode::kStatic)
    config.activation = row_of(config.target).activation;
  return config;
}

std::string decibels(const std::optional<double>& relative_noise) {
  return relative_noise ? fixed(sqnr_db(*relative_noise), 1) : "-";
}

std::string share(const std::optional<double>& value) {
  return value ? fixed(100 * *value, 2) : "-";
}

void print_effect(std::ostream& out, std::string_view what, const OutputEffect& effect) {
  out << fmt::format("{}: cosine {:.5f}, SQNR {} dB", what, effect.cosine_mean,
                     decibels(effect.relative_noise));
  if (effect.kl_divergence) out << fmt::format(", KL {:.3g}", *effect.kl_divergence);
  if (effect.top1_agreement)
    out << fmt::format(", same first class {} %", share(effect.top1_agreement));
  if (effect.top1) out << fmt::format(", top-1 {} %", share(effect.top1));
  out << '\n';
}

void print_report(std::ostream& out, const SensitivityReport& report, const Options& options) {
  print_effect(out, fmt::format("all {} layers in INT8", report.layers.size()), report.int8);
  const auto order = most_sensitive_first(report);
  const std::size_t shown = std::min(options.shown, order.size());
  out << fmt::format(
      "\nmost sensitive first, {} of {} (what the output loses when only this layer "
      "is INT8; all: {})\n",
      shown, order.size(), options.output);
  TextTable table({"layer", "op", "output dB", "KL", "all but it dB", "own dB", "so far dB",
                   "clipped %", "time %"});
  for (std::size_t k = 0; k < shown; ++k) {
    const LayerSensitivity& layer = report.layers[order[k]];
    const auto& only = layer.only_int8;
    const bool has_kl = only && only->kl_divergence;
    std::optional<double> clipped;
    if (layer.output && layer.output->seen) clipped = layer.output->seen->clipped;
    table.add({layer.layer.name, layer.layer.op_type, only ? decibels(only->relative_noise) : "-",
               has_kl ? fmt::format("{:.2g}", *only->kl_divergence) : "-",
               layer.only_fp32 ? decibels(layer.only_fp32->relative_noise) : "-",
               decibels(layer.local_noise), decibels(layer.accumulated_noise), share(clipped),
               share(layer.int8_time_share)});
  }
  table.print(out);
  if (!order.empty()) {
    out << "\nto keep the most sensitive in FP32: planish quantize " << options.model
        << " --exclude '" << report.layers[order.front()].layer.name << "' …\n";
  }
}

int run(const Options& options, const Context& context) {
  const Model model = load_for_quantization(options.model, false, context);
  const DatasetConfig data_config = options.samples.config();
  const auto data = open_dataset(options.data, signature_of(model), data_config);
  std::optional<Labels> labels;
  if (!options.labels.empty()) {
    labels = Labels::load(options.labels);
    labels->require_match(*data);
  }
  const QuantizationConfig quantization = quantization_of(options);
  CalibrationTable table;
  if (quantization.mode == QuantizationMode::kStatic) {
    CalibrateConfig calibration;
    calibration.threads = options.config.threads;
    calibration.on_bad_sample = data_config.on_bad_sample;
    calibration.method = options.ranges.method();
    calibration.options = options.ranges.ranges;
    calibration.options.activation = quantization.activation;
    table = calibrate(model, *data, calibration_targets(model, quantization), calibration,
                      context.progress, context.stop)
                .table;
  }
  const QuantizationPlan plan = plan_quantization(model, table, quantization);
  SensitivityConfig config = options.config;
  config.on_bad_sample = data_config.on_bad_sample;
  config.only_fp32 = !options.no_only_fp32;
  config.max_bytes = options.max_memory_mb << 20;
  config.partial_results = options.output + ".partial";
  config.on_cost = [](const SensitivityCost& cost) {
    clear_progress();
    std::cerr << fmt::format(
        "{} layers to measure on {} samples: {:.0f} runs of the FP32 model, about {:.0f} s\n",
        cost.layers, cost.samples, cost.inferences, cost.seconds);
  };
  const SensitivityReport report =
      analyze_sensitivity(model, table, plan, *data, labels ? &*labels : nullptr, config,
                          context.progress, context.stop);
  const Json json = to_json(report);
  write_file_atomically(options.output, to_text(json));
  std::filesystem::remove(*config.partial_results);
  clear_progress();
  print(context, json, [&](std::ostream& out) { print_report(out, report, options); });
  return kExitSuccess;
}

}  // namespace

Command sensitivity_command() {
  return {"sensitivity", "What each layer loses in INT8, and what that does to the model's answers",
          [](CLI::App& app) -> Run {
            auto options = std::make_shared<Options>();
            SensitivityConfig& config = options->config;
            app.add_option("MODEL", options->model,
                           "The FP32 model: an ONNX file, or a .pt2 of torch.export")
                ->required();
            app.add_option("--data", options->data,
                           "Samples: a folder of images or tensors, or a file of tensors")
                ->required();
            app.add_option("--labels", options->labels, "Classes of the samples: lines file,label");
            app.add_option("-o,--output", options->output,
                           "The JSON file to write; what was measured until an interruption is in "
                           "FILE.partial, and the next run goes on from there")
                ->required();
            app.add_option("--mode", options->mode, "static, or dynamic")
                ->check(CLI::IsMember({"static", "dynamic"}))
                ->capture_default_str();
            app.add_option("--samples", config.samples,
                           "Samples that layers are measured on, spread over the data (all of "
                           "them serve to calibrate)")
                ->check(CLI::Range(1, 1'000'000))
                ->capture_default_str();
            app.add_option("--output-name", config.output,
                           "The output that is judged; default: the first");
            app.add_flag("--no-only-fp32", options->no_only_fp32,
                         "Leave out what is won by keeping one layer in FP32: half the time");
            app.add_option("--threads", config.threads,
                           "Layers and samples side by side (0: all usable cores)")
                ->check(CLI::Range(0, 1024))
                ->capture_default_str();
            app.add_option("--max-memory-mb", options->max_memory_mb,
                           "For values that layers share; what does not fit is computed again")
                ->check(CLI::Range(1, 1 << 20))
                ->capture_default_str();
            app.add_option("--show", options->shown, "Layers in the printed table")
                ->capture_default_str();
            options->ranges.declare(app);
            options->target.declare(app);
            options->samples.declare(app);
            return [options](const Context& context) {
              return in_context(options->model, [&] { return run(*options, context); });
            };
          }};
}

}  // namespace planish::cli
