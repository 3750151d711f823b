#include "options.h"

#include "planish/onnx/onnx.h"
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

Model load_for_quantization(const std::string& path, bool as_it_is, const Context& context) {
  Model model = load_model(path);
  if (as_it_is) {
    write_value_types(model);
    return model;
  }
  PrepareConfig config;
  config.progress = context.progress;
  config.stop = context.stop;
  return prepare(model, config).model;
}

}  // namespace planish::cli
