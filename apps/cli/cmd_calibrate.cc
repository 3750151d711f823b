#include <memory>

#include "command.h"
#include "options.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/calibrate/calibrate.h"
#include "planish/quantize/calibration_cache.h"
#include "planish/quantize/plan.h"
#include "planish/runtime/probe.h"

namespace planish::cli {
namespace {

struct Options {
  std::string model;
  std::string data;
  std::string output;
  int threads = CalibrateConfig{}.threads;
  bool no_prepare = false;
  std::string profile = std::string(name_of(QuantizationConfig{}.profile));
  std::string cache_format = std::string(name_of(CalibrationFormat::kPlanish));
  std::string activation = short_name_of(RangeOptions{}.activation);
  MethodOptions ranges;
  DataOptions samples;
};

/// What the ranges are for: the Python quantizer reads its cache for the graph as it is, and wants
/// more tensors than profile best.
QuantizationConfig target_of(const Options& options, CalibrationFormat format) {
  QuantizationConfig config;
  config.profile = format == CalibrationFormat::kOnnxRuntime
                       ? QuantizationProfile::kOnnxRuntime132
                       : quantization_profile_from(options.profile).value();
  return config;
}

int run(const Options& options, const Context& context) {
  // CLI11 has checked the names.
  const auto format = calibration_format_from(options.cache_format).value();
  const QuantizationConfig target = target_of(options, format);
  const bool as_it_is =
      options.no_prepare || target.profile == QuantizationProfile::kOnnxRuntime132;
  const Model model = load_for_quantization(options.model, as_it_is, context);
  const DatasetConfig data_config = options.samples.config();
  const auto data = open_dataset(options.data, signature_of(model), data_config);
  CalibrateConfig config;
  config.threads = options.threads;
  config.on_bad_sample = data_config.on_bad_sample;
  config.method = options.ranges.method();
  config.options = options.ranges.ranges;
  config.options.activation = quantized_dtype_from(options.activation).value();
  const CalibrationReport report = calibrate(model, *data, calibration_targets(model, target),
                                             config, context.progress, context.stop);
  if (format == CalibrationFormat::kOnnxRuntime) {
    save_onnxruntime_cache(report.table, model.graph, options.output);
  } else {
    save_calibration_table(report.table, options.output);
  }
  Json json;
  json["output"] = options.output;
  json["method"] = name_of(config.method);
  json["tensors"] = report.table.ranges.size();
  json["samples"] = report.table.samples;
  json["model_sha256"] = report.table.model_sha256;
  json["data_sha256"] = report.table.data_sha256;
  json["bad_samples"] = Json::array();
  for (const BadSample& bad : report.bad_samples) {
    json["bad_samples"].push_back({{"name", bad.name}, {"reason", bad.reason}});
  }
  print(context, json, [&](std::ostream& out) {
    out << "ranges of " << report.table.ranges.size() << " tensors from " << report.table.samples
        << " samples: " << options.output << '\n';
    for (const BadSample& bad : report.bad_samples)
      out << "left out: " << bad.name << ": " << bad.reason << '\n';
  });
  return kExitSuccess;
}

}  // namespace

Command calibrate_command() {
  return {
      "calibrate", "Find the ranges that a model's values take on your samples",
      [](CLI::App& app) -> Run {
        auto options = std::make_shared<Options>();
        app.add_option("MODEL", options->model,
                       "The FP32 model: an ONNX file, or a .pt2 of torch.export")
            ->required();
        app.add_option("--data", options->data,
                       "Samples: a folder of images or tensors, or a file of tensors")
            ->required();
        app.add_option("-o,--output", options->output, "The calibration file to write")->required();
        options->ranges.declare(app);
        app.add_flag("--symmetric", options->ranges.ranges.symmetric,
                     "Ranges [-T, T], for `planish quantize --symmetric-activations`");
        app.add_option(
               "--activation", options->activation,
               "Integers that the ranges are for: methods mse, auto and entropy reckon with "
               "their number")
            ->check(CLI::IsMember({"u8", "s8", "u16", "s16"}))
            ->capture_default_str();
        app.add_option("--threads", options->threads,
                       "Samples run side by side (0: all usable cores)")
            ->check(CLI::Range(0, 1024))
            ->capture_default_str();
        app.add_flag("--no-prepare", options->no_prepare,
                     "Calibrate the graph as it is, for `planish quantize --no-prepare`");
        app.add_option("--profile", options->profile,
                       "For `planish quantize` of this profile: which tensors, and whether the "
                       "graph is prepared first")
            ->check(CLI::IsMember({"best", "onnxruntime-1.32"}))
            ->capture_default_str();
        app.add_option("--cache-format", options->cache_format,
                       "planish; or onnxruntime: the calibration_cache_path of its Python "
                       "quantizer, for profile onnxruntime-1.32")
            ->check(CLI::IsMember({"planish", "onnxruntime"}))
            ->capture_default_str();
        options->samples.declare(app);
        return [options](const Context& context) {
          return in_context(options->model, [&] { return run(*options, context); });
        };
      }};
}

}  // namespace planish::cli
