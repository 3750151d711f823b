#include "planish/calibrate/quality.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "calibrate/sample_watch.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/dataset/process_samples.h"
#include "planish/host/host.h"

namespace planish {
namespace {

using Observations = std::map<std::string, TensorObservation, std::less<>>;

/// Samples that are to be left out: known beforehand, since a part of the data may have no other.
std::vector<BadSample> unreadable(const Dataset& data, const CalibrateConfig& config,
                                  const std::stop_token& stop) {
  if (config.on_bad_sample == OnBadSample::kFail) return {};
  const ProcessConfig process{.threads = threads_or_usable(config.threads),
                              .on_bad_sample = config.on_bad_sample,
                              .stage = "read samples"};
  const auto nothing = [](std::size_t, const Sample&) -> Completion { return [] {}; };
  return process_samples(data, process, nothing, stop);
}

/// Neighbours in a folder are often alike (one class, one minute of traffic), and the first ones
/// would be of one kind. Always the same order, so that two runs say the same.
std::vector<std::size_t> mixed_order(const Dataset& data, std::span<const BadSample> left_out) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < data.size(); ++i) {
    const std::string name = data.name(i);
    if (std::ranges::find(left_out, name, &BadSample::name) == left_out.end()) order.push_back(i);
  }
  std::mt19937_64 random(1);
  // std::shuffle may differ between libraries.
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  return order;
}

double value_at(std::vector<double> values, double q) {
  if (values.empty()) return 0.0;
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}

/// What `by` loses against `best`, tensor by tensor; no number where nothing is to be lost.
std::map<std::string, double> losses_db(const Observations& best, const Observations& by) {
  std::map<std::string, double> losses;
  for (const auto& [tensor, observation] : best) {
    const auto found = by.find(tensor);
    if (!observation.sqnr_db || found == by.end()) continue;
    // Nothing in place of an SQNR: no error.
    const double kept = found->second.sqnr_db.value_or(*observation.sqnr_db);
    losses[tensor] = std::max(0.0, *observation.sqnr_db - kept);
  }
  return losses;
}

ConvergencePoint point_of(std::size_t samples, const std::map<std::string, double>& losses) {
  ConvergencePoint point{.samples = samples};
  std::vector<double> values;
  for (const auto& [tensor, loss] : losses) {
    values.push_back(loss);
    if (loss <= point.worst_loss_db) continue;
    point.worst_loss_db = loss;
    point.worst_tensor = tensor;
  }
  point.median_loss_db = value_at(values, 0.5);
  point.p95_loss_db = value_at(values, 0.95);
  return point;
}

std::size_t settled_from(const std::vector<ConvergencePoint>& points) {
  std::size_t enough = points.empty() ? 0 : points.back().samples;
  for (auto point = points.rbegin(); point != points.rend(); ++point) {
    if (point->p95_loss_db > CalibrationQuality::kSettledDb) break;
    enough = point->samples;
  }
  return enough;
}

std::vector<TensorQuality> tensor_qualities(const CalibrationTable& best,
                                            const CalibrationTable& minmax) {
  std::vector<TensorQuality> tensors;
  for (const auto& [name, observation] : best.observations) {
    const auto plain = minmax.observations.find(name);
    if (!observation.sqnr_db || plain == minmax.observations.end()) continue;
    tensors.push_back({.tensor = name,
                       .recommended = observation.method.value_or(CalibrationMethod::kMinMax),
                       .sqnr_db = *observation.sqnr_db,
                       .minmax_sqnr_db = plain->second.sqnr_db.value_or(*observation.sqnr_db),
                       .clipped = observation.clipped});
  }
  std::ranges::stable_sort(tensors, {}, &TensorQuality::sqnr_db);
  return tensors;
}

CalibrationDrift drift_of(const Calibrator& other, const CalibrationTable& ranges,
                          const CalibrateConfig& config, std::size_t samples) {
  const CalibrationTable own = other.table(config.method, config.options);
  const Observations by_ranges = other.judge(ranges);
  CalibrationDrift drift{.samples = samples};
  for (const auto& [tensor, loss] : losses_db(own.observations, by_ranges)) {
    const TensorObservation& seen = by_ranges.find(tensor)->second;
    drift.tensors.push_back({.tensor = tensor,
                             .range = ranges.ranges.find(tensor)->second,
                             .observed = seen.observed,
                             .clipped = seen.clipped,
                             .sqnr_db = seen.sqnr_db.value_or(0.0),
                             .loss_db = loss});
  }
  std::ranges::stable_sort(drift.tensors, std::ranges::greater{}, &TensorDrift::loss_db);
  return drift;
}

}  // namespace

bool CalibrationDrift::has_drifted() const {
  const auto lost = static_cast<std::size_t>(std::ranges::count_if(
      tensors, [](const TensorDrift& tensor) { return tensor.loss_db >= kDriftDb; }));
  return lost * 20 > tensors.size();
}

AssessedCalibration calibrate_and_assess(const Model& model, const Dataset& data,
                                         std::span<const std::string> tensors,
                                         const CalibrateConfig& config, const Dataset* other,
                                         const ProgressSink& progress, std::stop_token stop) {
  validate(config.options);
  CalibrateConfig with_histograms = config;
  with_histograms.method = CalibrationMethod::kAuto;
  const WatchedDataset watched(data);
  AssessedCalibration result;
  CalibrationReport& report = result.calibration;
  report.bad_samples = unreadable(data, config, stop);
  const std::vector<std::size_t> order = mixed_order(data, report.bad_samples);
  if (order.empty())
    throw Error(ErrorCode::kInvalidArgument, "no samples; expected one or more to calibrate with");
  Calibrator calibrator(model, tensors, with_histograms);
  std::vector<std::pair<std::size_t, CalibrationTable>> tables;
  for (std::size_t seen = 0; seen < order.size();) {
    const std::size_t next = std::min(std::max<std::size_t>(1, 2 * seen), order.size());
    const PartOfDataset part(watched, std::span(order).subspan(seen, next - seen));
    calibrator.observe(part, progress, stop);
    seen = next;
    tables.emplace_back(seen, calibrator.table(config.method, config.options));
  }
  report.table = std::move(tables.back().second);
  report.table.data_sha256 = data.digest();
  tables.pop_back();
  CalibrationQuality& quality = result.quality;
  quality.samples = report.table.samples;
  for (const auto& [samples, table] : tables) {
    quality.convergence.push_back(
        point_of(samples, losses_db(report.table.observations, calibrator.judge(table))));
  }
  quality.convergence.push_back({.samples = quality.samples});
  quality.enough = settled_from(quality.convergence);
  quality.duplicates = watched.duplicates();
  quality.constant = watched.constant();
  quality.tensors = tensor_qualities(calibrator.table(CalibrationMethod::kAuto, config.options),
                                     calibrator.table(CalibrationMethod::kMinMax, config.options));
  if (other != nullptr) {
    Calibrator second(model, tensors, with_histograms);
    const auto bad = second.observe(*other, progress, stop);
    quality.drift = drift_of(second, report.table, config, other->size() - bad.size());
  }
  return result;
}

Json to_json(const CalibrationQuality& quality) {
  Json json{{"samples", quality.samples},       {"enough", quality.enough},
            {"settled", quality.has_settled()}, {"settled_db", CalibrationQuality::kSettledDb},
            {"duplicates", quality.duplicates}, {"constant", quality.constant}};
  json["convergence"] = Json::array();
  for (const ConvergencePoint& point : quality.convergence) {
    json["convergence"].push_back({{"samples", point.samples},
                                   {"median_loss_db", point.median_loss_db},
                                   {"p95_loss_db", point.p95_loss_db},
                                   {"worst_loss_db", point.worst_loss_db},
                                   {"worst_tensor", point.worst_tensor}});
  }
  json["tensors"] = Json::array();
  for (const TensorQuality& tensor : quality.tensors) {
    json["tensors"].push_back({{"tensor", tensor.tensor},
                               {"recommended", name_of(tensor.recommended)},
                               {"sqnr_db", tensor.sqnr_db},
                               {"minmax_sqnr_db", tensor.minmax_sqnr_db},
                               {"clipped", tensor.clipped}});
  }
  if (!quality.drift) return json;
  Json& drift = json["drift"] = {{"samples", quality.drift->samples},
                                 {"drifted", quality.drift->has_drifted()},
                                 {"tensors", Json::array()}};
  for (const TensorDrift& tensor : quality.drift->tensors) {
    drift["tensors"].push_back({{"tensor", tensor.tensor},
                                {"range", {tensor.range.min, tensor.range.max}},
                                {"observed", {tensor.observed.min, tensor.observed.max}},
                                {"clipped", tensor.clipped},
                                {"sqnr_db", tensor.sqnr_db},
                                {"loss_db", tensor.loss_db}});
  }
  return json;
}

}  // namespace planish
