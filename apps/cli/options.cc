#include "options.h"

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/host/host.h"
#include "planish/import/import.h"
#include "planish/prepare/prepare.h"
#include "planish/runtime/value_types.h"

namespace planish::cli {

void DataOptions::declare(CLI::App& app) {
  std::string presets;
  for (const std::string_view name : preprocess_presets())
    presets += (presets.empty() ? "" : ", ") + std::string(name);
  app.add_option("--preprocess", preprocess,
                 "From image to tensor: a JSON file, or a preset (" + presets + ")")
      ->capture_default_str();
  app.add_option("--on-bad-sample", on_bad_sample,
                 "A sample that cannot be read: fail, or skip and name it")
      ->check(CLI::IsMember({"fail", "skip"}))
      ->capture_default_str();
  app.add_option("--max-samples", max_samples, "Read no more than this many samples (0: all)")
      ->capture_default_str();
}

DatasetConfig DataOptions::config() const {
  DatasetConfig config;
  config.preprocess = load_preprocess_spec(preprocess);
  config.on_bad_sample = on_bad_sample == "skip" ? OnBadSample::kSkip : OnBadSample::kFail;
  config.max_samples = max_samples;
  return config;
}

void ObjectiveOptions::declare(CLI::App& app, CLI::Option& sweep) {
  const std::string with = " (with " + sweep.get_name() + ")";
  app.add_option(
         "--objective", name,
         "What counts: latency (least p99 of one request at a time), throughput, cpu (least "
         "CPU time an item)" +
             with)
      ->needs(&sweep)
      ->check(CLI::IsMember({"latency", "throughput", "cpu"}))
      ->capture_default_str();
  app.add_option("--max-p99", max_p99_ms, "Milliseconds that 99 of 100 runs have to keep" + with)
      ->needs(&sweep)
      ->check(CLI::PositiveNumber);
}

SweepConfig ObjectiveOptions::config() const {
  SweepConfig config;
  config.objective = *sweep_objective_from(name);
  config.max_p99_ms = max_p99_ms;
  return config;
}

void MethodOptions::declare(CLI::App& app) {
  app.add_option("--method", name,
                 "How a range is found; auto chooses for each tensor, by the error to be expected")
      ->check(CLI::IsMember(calibration_method_names()))
      ->capture_default_str();
  app.add_option("--percentile", ranges.percentile,
                 "Share of the elements, in percent, that method percentile does not cut off")
      ->capture_default_str();
  app.add_option("--bins", ranges.bins,
                 "Bins that method entropy compares, at least: 256, 512, 1024 or 2048")
      ->capture_default_str();
}

CalibrationMethod MethodOptions::method() const {
  return calibration_method_from(name).value();  // CLI11 has checked the name
}

void TargetOption::declare(CLI::App& app) {
  std::vector<std::string> names{"host"};
  for (const TargetRow& row : kTargets) names.emplace_back(row.name);
  app.add_option("--target", name, "The CPU that will run the model; host: this one")
      ->check(CLI::IsMember(names))
      ->capture_default_str();
}

Target TargetOption::target() const {
  return target_from(name).value_or(target_of_isa(describe_host().isa));
}

Model load_for_quantization(const std::string& path, bool as_it_is, const Context& context) {
  Model model = load_any_model(path);
  if (as_it_is) {
    write_value_types(model);
    return model;
  }
  PrepareConfig config;
  config.progress = context.progress;
  config.stop = context.stop;
  return prepare(model, config).model;
}

std::string token_in(const std::string& path) {
  const std::string text = read_file(path, 4096);
  std::string line = text.substr(0, text.find_first_of("\r\n"));
  if (line.empty())
    throw Error(ErrorCode::kInvalidArgument,
                path + " is empty; expected a token on its first line");
  return line;
}

}  // namespace planish::cli
