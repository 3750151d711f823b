// The first steps of `auto`: the source model, its samples, its ranges.
#include <set>

#include "pipeline/auto_run.h"
#include "planish/calibrate/calibrate.h"
#include "planish/import/import.h"
#include "planish/onnx/onnx.h"

namespace planish::pipeline {

DatasetConfig AutoRun::dataset_config(std::size_t max_samples) const {
  DatasetConfig data;
  data.preprocess = config_.preprocess;
  data.on_bad_sample = config_.on_bad_sample;
  data.max_samples = max_samples;
  return data;
}

void AutoRun::load() {
  source_ = load_any_model(path_);
  report_.source_sha256 = digest_of(source_);
  report_.baseline.name = "fp32";
  report_.baseline.sha256 = report_.source_sha256;
  report_.baseline.bytes = size_of(source_);
}

/// The source loads and infers on the user's data, or nothing else is worth trying.
void AutoRun::prove() {
  baseline_ = open_session(source_, session_config());
  const Signature& signature = baseline_->signature();
  calibration_data_ =
      open_dataset(config_.data, signature, dataset_config(config_.max_calibration_samples));
  evaluation_data_ =
      config_.eval_data
          ? open_dataset(*config_.eval_data, signature, dataset_config(config_.max_eval_samples))
          : open_dataset(config_.data, signature, dataset_config(config_.max_eval_samples));
  if (config_.labels) {
    labels_ = Labels::load(*config_.labels);
    labels_->require_match(*evaluation_data_);
  }
  bench_inputs_ = read_inputs(config_.batch);
  baseline_->run(bench_inputs_);
  report_.data_sha256 = calibration_data_->digest();
}

std::vector<NamedTensor> AutoRun::read_inputs(std::size_t batch) const {
  std::vector<Sample> samples;
  std::optional<Error> first_failure;
  for (std::size_t i = 0; i < evaluation_data_->size() && samples.size() < batch; ++i) {
    try {
      samples.push_back(evaluation_data_->read(i));
    } catch (const Error& error) {
      if (config_.on_bad_sample == OnBadSample::kFail) throw;
      if (!first_failure) first_failure = error;
    }
  }
  if (samples.empty() && first_failure) throw *first_failure;
  return stack_samples(samples, batch);
}

void AutoRun::inspect() {
  report_.inspection =
      inspect_model(source_, {.dims = dims_of(source_, bench_inputs_), .target = report_.target});
  if (report_.inspection.already_quantized) {
    throw Error(ErrorCode::kUnsupported,
                "the model is quantized already; expected the FP32 model it was made from "
                "(`planish quantize` fits a quantized model to a CPU)");
  }
}

void AutoRun::prepare_source() {
  PrepareConfig prepare_config;
  prepare_config.progress = progress_;
  prepare_config.stop = stop_;
  Prepared prepared = prepare(source_, prepare_config);
  prepared_ = std::move(prepared.model);
  report_.preparation = std::move(prepared.report);
}

void AutoRun::calibrate_prepared() {
  specs_ = candidate_specs(report_.inspection, report_.target, prepared_.graph);
  std::set<std::string> targets;
  for (const CandidateSpec& spec : specs_) {
    if (spec.method != Method::kStatic) continue;
    for (std::string& name : calibration_targets(prepared_, spec.config))
      targets.insert(std::move(name));
  }
  const std::vector<std::string> names(targets.begin(), targets.end());
  AssessedCalibration result = calibrate_and_assess(prepared_, *calibration_data_, names,
                                                    calibrate_config(), nullptr, progress_, stop_);
  table_ = std::move(result.calibration.table);
  report_.bad_samples = std::move(result.calibration.bad_samples);
  report_.calibration_quality = std::move(result.quality);
  report_.calibration_samples = table_.samples;
}

CalibrateConfig AutoRun::calibrate_config() const {
  CalibrateConfig calibration;
  calibration.method = config_.calibration_method;
  calibration.options = config_.range_options;
  calibration.on_bad_sample = config_.on_bad_sample;
  return calibration;
}

}  // namespace planish::pipeline
