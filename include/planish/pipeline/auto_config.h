// What `auto` is asked for.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "planish/bench/bench.h"
#include "planish/bench/sweep.h"
#include "planish/compare/compare.h"
#include "planish/dataset/dataset.h"
#include "planish/quantize/calibration_table.h"
#include "planish/quantize/target.h"

namespace planish {

struct AutoResult;
struct MixedSearchCost;

struct AutoConfig {
  std::filesystem::path data = {};                      // calibration samples
  std::optional<std::filesystem::path> eval_data = {};  // samples to judge by; nothing: `data`
  std::optional<std::filesystem::path> labels = {};     // classes of the samples to judge by
  PreprocessSpec preprocess = {};
  std::string preprocess_name = "none";  // as commands name it: a preset or a file
  OnBadSample on_bad_sample = OnBadSample::kFail;
  std::size_t max_calibration_samples = 0;                          // 0: all
  CalibrationMethod calibration_method = CalibrationMethod::kAuto;  // the most accurate measured
  RangeOptions range_options = {};                                  // of that method
  std::size_t max_eval_samples = 0;                                 // 0: all
  std::optional<Target> target = {};  // the CPU to make models for; nothing: this machine
  int threads = 1;                    // of one inference, as it will be served
  std::size_t batch = 1;              // of one inference when speed is measured
  AccuracyThresholds thresholds = {};
  OutputMeaning answers = OutputMeaning::kAuto;  // what the output that is judged means
  bool remedies = true;           // also try what wins accuracy back at the same speed
  bool mixed_precision = true;    // when nothing else is accurate: search layers to keep in FP32
  double budget_seconds = 600.0;  // no new candidate is begun after this
  double bench_seconds = 2.0;     // measured time per candidate
  std::optional<SweepConfig> tune = {};  // also find the threads, callers and batch to serve with
  MeasureSpeed measure = {};      // nothing: bench_interleaved, by the clock of the machine
  /// Told of each model that is better than those before, in the result as it is until then: who
  /// saves it has a whole one whatever happens later. What it throws ends the run.
  std::function<void(const AutoResult&)> on_better = {};
  /// Told before layers are searched that stay in FP32.
  std::function<void(const MixedSearchCost&)> on_search = {};
};

}  // namespace planish
