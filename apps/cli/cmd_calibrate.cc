#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <span>

#include "command.h"
#include "options.h"
#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/calibrate/calibrate.h"
#include "planish/calibrate/quality.h"
#include "planish/quantize/calibration_cache.h"
#include "planish/quantize/plan.h"
#include "planish/runtime/probe.h"
#include "terminal.h"

namespace planish::cli {
namespace {

struct Options {
  std::string model;
  std::string data;
  std::string output;
  std::string report;
  std::string against;
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

void print_quality(std::ostream& out, const CalibrationQuality& quality) {
  out << fmt::format(
      "ranges {}: those of {} samples are within {} dB of all {} for 95 % of tensors\n",
      quality.has_settled() ? "have settled" : "still move", quality.enough,
      CalibrationQuality::kSettledDb, quality.samples);
  TextTable points({"samples", "median loss dB", "95 % dB", "worst dB", "worst tensor"});
  for (const ConvergencePoint& point : quality.convergence) {
    points.add({std::to_string(point.samples), fixed(point.median_loss_db, 2),
                fixed(point.p95_loss_db, 2), fixed(point.worst_loss_db, 2), point.worst_tensor});
  }
  points.print(out);
  for (const auto& group : quality.duplicates)
    out << fmt::format("the same sample {} times: {}\n", group.size(), fmt::join(group, ", "));
  for (const std::string& name : quality.constant)
    out << "every element is the same: " << name << '\n';
  constexpr std::size_t kShown = 10;
  if (!quality.tensors.empty()) {
    out << "\nthe tensors that 8 bits represent worst\n";
    TextTable tensors({"tensor", "best method", "dB", "minmax dB", "cut off %"});
    for (const TensorQuality& tensor :
         std::span(quality.tensors).first(std::min(kShown, quality.tensors.size()))) {
      tensors.add({tensor.tensor, std::string(name_of(tensor.recommended)),
                   fixed(tensor.sqnr_db, 1), fixed(tensor.minmax_sqnr_db, 1),
                   fixed(100 * tensor.clipped, 3)});
    }
    tensors.print(out);
  }
  if (!quality.drift) return;
  const CalibrationDrift& drift = *quality.drift;
  out << fmt::format("\n{} other samples: {}\n", drift.samples,
                     drift.has_drifted() ? "the ranges do not fit them; calibrate with them"
                                         : "the ranges fit them");
  TextTable drifted({"tensor", "lost dB", "dB", "cut off %", "range", "holds"});
  for (const TensorDrift& tensor :
       std::span(drift.tensors).first(std::min(kShown, drift.tensors.size()))) {
    drifted.add({tensor.tensor, fixed(tensor.loss_db, 2), fixed(tensor.sqnr_db, 1),
                 fixed(100 * tensor.clipped, 3),
                 fmt::format("{:.4g} … {:.4g}", tensor.range.min, tensor.range.max),
                 fmt::format("{:.4g} … {:.4g}", tensor.observed.min, tensor.observed.max)});
  }
  drifted.print(out);
}

/// With what is asked for besides the ranges.
AssessedCalibration find_ranges(const Options& options, const Model& model, const Dataset& data,
                                const Dataset* other, std::span<const std::string> tensors,
                                const CalibrateConfig& config, const Context& context) {
  if (options.report.empty())
    return {.calibration = calibrate(model, data, tensors, config, context.progress, context.stop)};
  return calibrate_and_assess(model, data, tensors, config, other, context.progress, context.stop);
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
  const auto other = options.against.empty()
                         ? nullptr
                         : open_dataset(options.against, signature_of(model), data_config);
  const AssessedCalibration assessed = find_ranges(
      options, model, *data, other.get(), calibration_targets(model, target), config, context);
  const CalibrationReport& report = assessed.calibration;
  if (format == CalibrationFormat::kOnnxRuntime) {
    save_onnxruntime_cache(report.table, model.graph, options.output);
  } else {
    save_calibration_table(report.table, options.output);
  }
  Json json;
  if (!options.report.empty()) {
    json["quality"] = to_json(assessed.quality);
    write_file_atomically(options.report, to_text(json["quality"]));
  }
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
    if (!options.report.empty()) print_quality(out, assessed.quality);
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
        CLI::Option* const report = app.add_option(
            "--report", options->report,
            "Also write how far the ranges can be trusted (JSON): how they settle as samples come "
            "in, samples that repeat others or are constant, the method that suits each tensor");
        app.add_option("--against", options->against,
                       "And what the ranges lose on these samples (captured traffic, say)")
            ->needs(report);
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
