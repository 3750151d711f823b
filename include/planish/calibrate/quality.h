// Whether calibration samples are enough, and any good: how ranges settle as samples come in,
// samples that say nothing new, which method suits which tensor, and how unlike other samples are.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/base/progress.h"
#include "planish/calibrate/calibrate.h"
#include "planish/dataset/dataset.h"
#include "planish/graph/model.h"

namespace planish {

/// What ranges from the first so many samples cost on all of them: per tensor, the expected SQNR by
/// the ranges of all less that by these, in dB.
struct ConvergencePoint {
  std::size_t samples = 0;
  double median_loss_db = 0.0;  // over tensors
  double p95_loss_db = 0.0;     // 95 % of the tensors lose no more
  std::string worst_tensor = {};
  double worst_loss_db = 0.0;
};

/// One tensor by the method of least expected error, and by the least and greatest element.
struct TensorQuality {
  std::string tensor = {};
  CalibrationMethod recommended = CalibrationMethod::kMinMax;  // what kAuto takes
  double sqnr_db = 0.0;                                        // expected, by it
  double minmax_sqnr_db = 0.0;
  double clipped = 0.0;  // share of the elements that it cuts off
};

/// One tensor on other samples, by the ranges of the calibration samples.
struct TensorDrift {
  std::string tensor = {};
  TensorRange range = {};     // that the calibration samples give
  TensorRange observed = {};  // of the other samples
  double clipped = 0.0;       // share of their elements that the range cuts off
  double sqnr_db = 0.0;       // expected on them by that range
  double loss_db = 0.0;       // against ranges of their own
};

struct CalibrationDrift {
  std::size_t samples = 0;                // of the other data
  std::vector<TensorDrift> tensors = {};  // the greatest loss first
  /// Whether to calibrate anew: more than one tensor in twenty loses kDriftDb or more.
  [[nodiscard]] bool has_drifted() const;
  static constexpr double kDriftDb = 3.0;
};

struct CalibrationQuality {
  /// Ranges have settled where 95 % of the tensors lose no more than this: what method auto takes
  /// for no difference.
  static constexpr double kSettledDb = 1.0;

  std::size_t samples = 0;
  /// After 1, 2, 4, … and all samples, in an order that mixes neighbours; the last is 0 by
  /// definition.
  std::vector<ConvergencePoint> convergence = {};
  /// The least of these numbers from which on ranges have settled. When it is more than half of
  /// all, more samples may still move them.
  std::size_t enough = 0;
  std::vector<std::vector<std::string>> duplicates = {};  // names of samples of equal content
  std::vector<std::string> constant = {};                 // samples with inputs of one value
  std::vector<TensorQuality> tensors = {};                // the least SQNR first
  std::optional<CalibrationDrift> drift = {};             // when other samples were given

  [[nodiscard]] bool has_settled() const { return samples >= 2 && enough <= samples / 2; }
};

struct AssessedCalibration {
  CalibrationReport calibration = {};  // what calibrate() gives, but for the time that it takes
  CalibrationQuality quality = {};
};

/// calibrate() and its quality from the same pass over `data`; `other` (may be null) is run once.
/// Keeps histograms whatever the method.
/// @throws Error as calibrate().
AssessedCalibration calibrate_and_assess(const Model& model, const Dataset& data,
                                         std::span<const std::string> tensors,
                                         const CalibrateConfig& config = {},
                                         const Dataset* other = nullptr,
                                         const ProgressSink& progress = {},
                                         std::stop_token stop = {});

Json to_json(const CalibrationQuality& quality);

}  // namespace planish
