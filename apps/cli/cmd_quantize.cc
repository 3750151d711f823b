#include <algorithm>
#include <memory>

#include "command.h"
#include "options.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/calibrate/calibrate.h"
#include "planish/import/import.h"
#include "planish/onnx/onnx.h"
#include "planish/prepare/prepare.h"
#include "planish/quantize/options.h"
#include "planish/quantize/plan.h"
#include "planish/quantize/qdq_lint.h"
#include "planish/quantize/remove_leftovers.h"
#include "planish/quantize/retarget.h"
#include "planish/runtime/probe.h"
#include "remedy_options.h"
#include "terminal.h"

namespace planish::cli {
namespace {

struct Options {
  std::string model;
  std::string output;
  std::string calibration;
  std::string tensor_overrides;
  std::vector<std::string> settings;
  std::string data;
  std::string mode = std::string(name_of(QuantizationConfig{}.mode));
  std::string format = std::string(name_of(QuantizationConfig{}.format));
  std::string profile = std::string(name_of(QuantizationConfig{}.profile));
  std::string activation;  // empty: what the target has kernels for
  std::string weight = short_name_of(QuantizationConfig{}.weight);
  bool per_channel = false;
  bool per_tensor = false;
  bool dry_run = false;
  bool no_prepare = false;
  QuantizationConfig config;
  MethodOptions ranges;
  DataOptions samples;
  TargetOption target;
  RemedyOptions remedies;
};

/// Names as CLI11 has checked them, so that each of them is known.
QuantizationConfig config_from(const Options& options) {
  QuantizationConfig config = options.config;
  config.mode = quantization_mode_from(options.mode).value();
  config.format = quantization_format_from(options.format).value();
  config.profile = quantization_profile_from(options.profile).value();
  config.target = options.target.target();
  // The Python quantizer knows no targets, and dynamic mode measures u8.
  const bool by_target =
      config.profile == QuantizationProfile::kBest && config.mode == QuantizationMode::kStatic;
  if (!options.activation.empty())
    config.activation = quantized_dtype_from(options.activation).value();
  else if (by_target)
    config.activation = row_of(config.target).activation;
  config.weight = quantized_dtype_from(options.weight).value();
  const bool peer = config.profile == QuantizationProfile::kOnnxRuntime132;
  // Each profile's own default: the Python quantizer's is per tensor.
  config.weights = options.per_channel || (!peer && !options.per_tensor) ? Granularity::kPerChannel
                                                                         : Granularity::kPerTensor;
  for (const std::string& setting : options.settings) set_option(config, setting);
  if (!options.tensor_overrides.empty())
    config.tensor_overrides = load_tensor_overrides(options.tensor_overrides);
  return config;
}

CalibrationTable load_table_for(const std::string& path, const Model& model) {
  CalibrationTable table = load_calibration_table(path);
  const std::string digest = digest_of(model);
  if (!table.model_sha256.empty() && table.model_sha256 != digest) {
    throw Error(
        ErrorCode::kInvalidArgument,
        path + " was made for the model " + table.model_sha256.substr(0, 12) + "; this one is " +
            digest.substr(0, 12) +
            " after preparation: calibrate it again, with the same --no-prepare or without");
  }
  return table;
}

/// Without samples: by ranges that were found before, or none in dynamic mode.
RemediedPlan plan_without_data(const Options& options, Model model,
                               const QuantizationConfig& config) {
  if (options.remedies.config().any()) {
    throw Error(ErrorCode::kInvalidArgument,
                "--equalize, --smooth, --weight-clipping, --rounding adaptive and "
                "--bias-correction look at the model's values: "
                "give --data DATA");
  }
  RemediedPlan planned{.model = std::move(model)};
  if (config.mode == QuantizationMode::kStatic) {
    if (options.calibration.empty()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "static quantization needs ranges: give --data DATA, or --calibration FILE of "
                  "`planish calibrate`");
    }
    planned.table = load_table_for(options.calibration, planned.model);
  }
  planned.plan = plan_quantization(planned.model, planned.table, config);
  return planned;
}

RemediedPlan plan_for(const Options& options, Model model, const QuantizationConfig& config,
                      const Context& context) {
  const bool reads_samples =
      config.mode == QuantizationMode::kStatic || options.remedies.config().any();
  if (options.data.empty() || !reads_samples)
    return plan_without_data(options, std::move(model), config);
  const DatasetConfig data_config = options.samples.config();
  const auto data = open_dataset(options.data, signature_of(model), data_config);
  CalibrateConfig calibration;
  calibration.method = options.ranges.method();
  calibration.options = options.ranges.ranges;
  calibration.options.activation = config.activation;
  calibration.options.symmetric = config.symmetric_activations;
  calibration.on_bad_sample = data_config.on_bad_sample;
  const RemedyConfig remedies = options.remedies.config(default_remedies(config, data->size()));
  return plan_with_remedies(model, *data, config, calibration, remedies, context.progress,
                            context.stop);
}

/// A model that is quantized already: nothing to calibrate, only to fit to the target.
int run_retarget(const Options& options, const Model& model, const Context& context) {
  if (!options.data.empty() || !options.calibration.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "the model is quantized already; expected the FP32 model it was made from, or "
                "neither --data nor --calibration, to fit it to --target");
  }
  const Target target = options.target.target();
  Retargeted result = retarget(model, target);
  Json json = to_json(result.report);
  LeftoverReport leftovers;
  if (!options.no_prepare && has_qdq(result.model)) {
    write_value_types(result.model);
    auto removed = remove_leftovers(
        result.model, {.signed_activations = row_of(target).activation == DType::kInt8});
    result.model = std::move(removed.model);
    leftovers = std::move(removed.report);
    json["leftovers"] = to_json(leftovers);
  }
  if (!options.dry_run) {
    // Proven to load before it is handed out.
    require_loadable(result.model);
    save_model(result.model, options.output);
    json["output"] = options.output;
    json["sha256"] = digest_of(result.model);
  }
  print(context, json, [&](std::ostream& out) {
    out << (options.dry_run ? options.model : options.output)
        << ": quantized already: " << explain(result.report) << '\n';
    if (!leftovers.changes_nothing()) out << "  " << explain(leftovers) << '\n';
  });
  return kExitSuccess;
}

void print_nodes(std::ostream& out, const PlacedPlan& placed) {
  const QuantizationPlan& plan = *placed.plan;
  if (!placed.in.empty()) {
    out << "  in " << placed.in << ": " << quantized_nodes(plan) << " of " << plan.nodes.size()
        << " nodes in INT8 (" << name_of(plan.config.mode) << ")\n";
  }
  if (!placed.in.empty() && quantized_nodes(plan) == 0) return;  // --dry-run has the reasons
  const std::string_view indent = placed.in.empty() ? "  " : "    ";
  for (const NodeDecision& node : plan.nodes) {
    if (!node.quantized)
      out << indent << "FP32: " << node.node << " (" << node.op_type << "): " << node.reason
          << '\n';
  }
}

int run(const Options& options, const Context& context) {
  const QuantizationConfig config = config_from(options);
  if (config.profile == QuantizationProfile::kBest) {
    const Model model = load_any_model(options.model);
    if (is_quantized(model)) return run_retarget(options, model, context);
  }
  const bool as_it_is =
      options.no_prepare || config.profile == QuantizationProfile::kOnnxRuntime132;
  const RemediedPlan planned =
      plan_for(options, load_for_quantization(options.model, as_it_is, context), config, context);
  const QuantizationPlan& plan = planned.plan;
  clear_progress();
  Json json = to_json(plan);
  json["remedies"] = to_json(planned.report);
  if (options.dry_run) {
    print(context, json,
          [&](std::ostream& out) { out << to_string(plan) << summary_of(planned.report); });
    return kExitSuccess;
  }
  const Model quantized = apply(plan, planned.model);
  // Proven to load before it is handed out.
  require_loadable(quantized);
  save_model(quantized, options.output);
  json["output"] = options.output;
  json["sha256"] = digest_of(quantized);
  print(context, json, [&](std::ostream& out) {
    out << options.output << ": " << quantized_nodes(plan) << " of " << plan.nodes.size()
        << " nodes in INT8 (" << options.mode << ", " << options.format << ", "
        << name_of(config.weights) << ", for " << name_of(config.target) << ")\n";
    const std::vector<RangeReduction> reductions = all_reductions(plan);
    if (!reductions.empty()) out << "  " << explain(reductions, config.target) << '\n';
    out << summary_of(planned.report);
    for (const PlacedPlan& placed : plans_in(plan)) print_nodes(out, placed);
  });
  return kExitSuccess;
}

void declare(CLI::App& app, Options& options) {
  app.add_option("MODEL", options.model,
                 "The FP32 model: an ONNX file, or a .pt2 of torch.export; a quantized one is "
                 "fitted to the target")
      ->required();
  auto* calibration =
      app.add_option("--calibration", options.calibration,
                     "Ranges that `planish calibrate` wrote, or a calibration cache of "
                     "onnxruntime.quantization");
  app.add_option("--data", options.data, "Or samples to find them with")->excludes(calibration);
  app.add_option("-o,--output", options.output, "The INT8 model to write");
  app.add_option("--mode", options.mode,
                 "static: calibrated ranges; dynamic: ranges at run time, for MatMul and Gemm")
      ->check(CLI::IsMember({"static", "dynamic"}))
      ->capture_default_str();
  app.add_option("--format", options.format,
                 "qdq: Q/DQ pairs that the runtime fuses; qoperator: integer operators")
      ->check(CLI::IsMember({"qdq", "qoperator"}))
      ->capture_default_str();
  app.add_option("--activation", options.activation,
                 "Integers of activations; default: those that the target has kernels for")
      ->check(CLI::IsMember({"u8", "s8", "u16", "s16"}));
  app.add_option("--weight", options.weight, "Integers of weights")
      ->check(CLI::IsMember({"s8", "u8", "s16", "u16"}))
      ->capture_default_str();
  auto* per_channel = app.add_flag("--per-channel", options.per_channel,
                                   "One scale per output channel (default of profile best)");
  app.add_flag("--per-tensor", options.per_tensor,
               "One scale per weight (default of profile onnxruntime-1.32)")
      ->excludes(per_channel);
  app.add_flag("--reduce-range", options.config.reduce_range,
               "7 bits for every weight, where --target takes only what it must");
  app.add_flag("--symmetric-activations", options.config.symmetric_activations,
               "Activation ranges symmetric about 0");
  options.ranges.declare(app);
  app.add_option("--ops", options.config.op_types, "Only operators of these types: Conv,MatMul")
      ->delimiter(',');
  app.add_option("--exclude", options.config.exclude_nodes, "Nodes that stay FP32, by name");
  app.add_option("--include", options.config.include_nodes, "The only nodes to quantize, by name");
  app.add_option("--option", options.settings,
                 "NAME=VALUE, as often as needed: the rarer options, listed below")
      ->allow_extra_args(false);
  app.footer(options_text());
  app.add_option("--tensor-overrides", options.tensor_overrides,
                 "Parameters of single tensors, a JSON file (TensorQuantOverrides of "
                 "onnxruntime.quantization)");
  app.add_option("--profile", options.profile,
                 "best: what is faster or more accurate; onnxruntime-1.32: what its Python "
                 "quantizer writes")
      ->check(CLI::IsMember({"best", "onnxruntime-1.32"}))
      ->capture_default_str();
  app.add_flag("--no-prepare", options.no_prepare,
               "Quantize the graph as it is (profile onnxruntime-1.32 always does)");
  app.add_flag("--dry-run", options.dry_run, "Print the plan and write nothing");
  options.target.declare(app);
  options.remedies.declare(app);
  options.samples.declare(app);
}

}  // namespace

Command quantize_command() {
  return {"quantize", "Make an INT8 model: plan which tensor gets which parameters, then apply",
          [](CLI::App& app) -> Run {
            auto options = std::make_shared<Options>();
            declare(app, *options);
            return [options](const Context& context) {
              if (options->output.empty() && !options->dry_run) {
                throw Error(ErrorCode::kInvalidArgument,
                            "-o OUT.onnx is missing (or --dry-run to see the plan)");
              }
              return in_context(options->model, [&] { return run(*options, context); });
            };
          }};
}

}  // namespace planish::cli
