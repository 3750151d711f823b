// Why an INT8 model is not as fast, or not as right, as it should be: evidence and a remedy for
// each cause. docs/diagnosis.md tells how each is found.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/base/progress.h"
#include "planish/bench/bench.h"
#include "planish/compare/compare.h"
#include "planish/diagnose/finding.h"
#include "planish/host/host.h"
#include "planish/quantize/target.h"
#include "planish/runtime/node_profile.h"

namespace planish {

struct DiagnoseConfig {
  std::optional<std::filesystem::path> data = {};    // samples to judge by; nothing: random inputs
  std::optional<std::filesystem::path> labels = {};  // their classes
  PreprocessSpec preprocess = {};
  std::string preprocess_name = "none";  // as remedies name it: a preset or a file
  OnBadSample on_bad_sample = OnBadSample::kFail;
  std::size_t max_samples = 200;  // of data and of calibration_data; 0: all
  /// The ranges that the INT8 model was made with, or the samples that they come from. Nothing: the
  /// ranges are read from the INT8 model.
  std::optional<std::filesystem::path> calibration = {};
  std::optional<std::filesystem::path> calibration_data = {};
  std::optional<Target> target = {};  // the CPU that runs the model; nothing: this machine
  SessionConfig session = {};         // threads and spinning as the model is served
  std::size_t batch = 1;              // samples in one run, as it is served
  bool measure = true;                // false: no times are taken
  /// Time for all that is measured or run on samples; what does not fit is named in
  /// DiagnoseReport::not_checked. Loading and analysing come on top.
  double seconds = 20.0;
  std::function<HostReport()> host = [] { return describe_host(); };
  MeasureSpeed measure_speed = {};  // nothing: bench_interleaved, by the clock of the machine
};

/// A finding that could not be looked for, and why.
struct NotChecked {
  FindingCode code = FindingCode::kDoesNotRun;
  std::string because = {};  // "needs --data"
};

struct DiagnoseReport {
  std::string fp32_path = {};
  std::string int8_path = {};
  HostReport host = {};
  Target target = Target::kAvx2;
  std::string runtime_version = {};
  int threads = 1;
  std::size_t batch = 1;                       // that was measured
  std::optional<BenchResult> fp32_bench = {};  // nothing: not measured
  std::optional<BenchResult> int8_bench = {};
  RatioEstimate speed_up = {};                    // of INT8 over FP32
  std::optional<AccuracyReport> accuracy = {};    // needs data
  std::vector<OperatorTime> fp32_operators = {};  // the graphs that run; empty: not measured
  std::vector<OperatorTime> int8_operators = {};
  std::vector<Finding> findings = {};  // errors first, then as kFindings
  std::vector<NotChecked> not_checked = {};
  double seconds = 0.0;  // that the diagnosis took

  /// The most severe finding's; nothing when nothing was found.
  [[nodiscard]] std::optional<Severity> worst() const;
};

/// Looks for everything in kFindings. That the INT8 model does not run is a finding; that the FP32
/// model does not, an error.
/// @throws Error of reading models, samples, labels and calibration; of open_session for the FP32
///   model; Error(kCancelled).
DiagnoseReport diagnose(const std::filesystem::path& fp32, const std::filesystem::path& int8,
                        const DiagnoseConfig& config = {}, const ProgressSink& progress = {},
                        std::stop_token stop = {});

/// Format: docs/diagnosis.md.
Json to_json(const DiagnoseReport& report);

}  // namespace planish
