// Ranges of a model's values on the user's samples: streamed, on all cores.
#pragma once

#include <cstddef>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "planish/base/progress.h"
#include "planish/dataset/dataset.h"
#include "planish/graph/model.h"
#include "planish/quantize/calibration_table.h"

namespace planish {

struct CalibrateConfig {
  CalibrationMethod method = CalibrationMethod::kMinMax;
  OnBadSample on_bad_sample = OnBadSample::kFail;
  int threads = 0;  // samples run side by side; 0: usable_cores()
};

/// What calibration gives: the ranges, and what it met on the way.
struct CalibrationReport {
  CalibrationTable table = {};
  std::vector<BadSample> bad_samples = {};  // left out (OnBadSample::kSkip)
};

/// Runs every sample of `data` through `model` and keeps a running range of each of `tensors`
/// (calibration_targets). Memory does not grow with the number of samples; the result does not
/// depend on threads or on the samples' order.
/// @throws Error(kInvalidArgument) naming sample and tensor when a value is NaN or infinite, or a
///   tensor that the model does not have; Error(kUnsupported) for a method of a later version; what
///   reading and running throw; Error(kCancelled).
CalibrationReport calibrate(const Model& model, const Dataset& data,
                            std::span<const std::string> tensors,
                            const CalibrateConfig& config = {}, const ProgressSink& progress = {},
                            std::stop_token stop = {});

}  // namespace planish
