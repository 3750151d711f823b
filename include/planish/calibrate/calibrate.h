// Ranges of a model's values on the user's samples: streamed, on all cores.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
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
  RangeOptions options = {};
  OnBadSample on_bad_sample = OnBadSample::kFail;
  int threads = 0;  // samples run side by side; 0: usable_cores()
};

/// What calibration gives: the ranges, and what it met on the way.
struct CalibrationReport {
  CalibrationTable table = {};
  std::vector<BadSample> bad_samples = {};  // left out (OnBadSample::kSkip)
};

/// Runs every sample of `data` once through `model` and chooses a range of each of `tensors`
/// (calibration_targets) by config.method. Memory does not grow with the number of samples, and
/// samples may be of any shapes. The result depends on the set of samples alone, bit for bit: not
/// on their order, nor on threads.
/// @throws Error(kInvalidArgument) naming sample and tensor when a value is NaN or infinite, a
///   tensor that the model does not have, or a wrong option; what reading and running throw;
///   Error(kCancelled).
CalibrationReport calibrate(const Model& model, const Dataset& data,
                            std::span<const std::string> tensors,
                            const CalibrateConfig& config = {}, const ProgressSink& progress = {},
                            std::stop_token stop = {});

/// The same in parts: for ranges by several methods from one pass over the samples, and for ranges
/// after so many samples. What is kept of a tensor is exact counts (about 0.2 MB), and none for
/// kMinMax.
class Calibrator {
 public:
  /// Keeps what config.method needs; any but kMinMax: what all methods need.
  Calibrator(const Model& model, std::span<const std::string> tensors,
             const CalibrateConfig& config = {});
  ~Calibrator();
  Calibrator(Calibrator&&) noexcept;
  Calibrator& operator=(Calibrator&&) noexcept;

  /// Runs more samples: parts of the data, one after another, give what all at once gives. Returns
  /// those that were left out. When it throws, no sample of this call counts.
  std::vector<BadSample> observe(const Dataset& data, const ProgressSink& progress = {},
                                 std::stop_token stop = {});

  /// Ranges by all samples so far; runs none. @throws Error(kInvalidArgument) for a wrong option,
  /// and for a method that needs counts when the calibrator was made for kMinMax.
  [[nodiscard]] CalibrationTable table(CalibrationMethod method,
                                       const RangeOptions& options = {}) const;

  /// What ranges that come from elsewhere (other samples, fewer) do to all samples so far: of each
  /// tensor that has one, as table() would say. @throws Error(kInvalidArgument) when the calibrator
  /// was made for kMinMax.
  [[nodiscard]] std::map<std::string, TensorObservation, std::less<>> judge(
      const CalibrationTable& ranges) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace planish
