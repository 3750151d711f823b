#include "planish/calibrate/calibrate.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "calibrate/range_estimator.h"
#include "calibrate/scan.h"
#include "planish/base/error.h"
#include "planish/base/version.h"
#include "planish/dataset/process_samples.h"
#include "planish/host/host.h"
#include "planish/onnx/onnx.h"
#include "planish/runtime/observed_session.h"

namespace planish {
namespace {

/// One estimator per tensor.
class Estimators {
 public:
  Estimators(CalibrationMethod method, std::size_t count) {
    estimators_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      estimators_.push_back(make_range_estimator(method));
    }
  }
  RangeEstimator& operator[](std::size_t i) { return *estimators_[i]; }
  [[nodiscard]] std::size_t size() const { return estimators_.size(); }
  void merge(const Estimators& next) {
    for (std::size_t i = 0; i < size(); ++i) estimators_[i]->merge(*next.estimators_[i]);
  }

 private:
  std::vector<std::unique_ptr<RangeEstimator>> estimators_;
};

std::vector<std::string> without_duplicates(std::span<const std::string> names) {
  std::vector<std::string> unique(names.begin(), names.end());
  std::sort(unique.begin(), unique.end());
  unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
  return unique;
}

[[noreturn]] void fail_non_finite(const std::string& tensor, std::span<const float> elements) {
  throw Error(ErrorCode::kInvalidArgument,
              "tensor '" + tensor + "' holds " + describe_non_finite(elements) +
                  "; expected finite values. Look at the sample and its preprocessing first, then "
                  "at the model");
}

void observe_elements(const std::string& tensor, std::span<const float> elements,
                      RangeEstimator& estimator) {
  if (elements.empty()) return;
  const ElementScan scan = scan_elements(elements);
  if (!scan.all_finite) fail_non_finite(tensor, elements);
  estimator.observe(elements, {.min = scan.min, .max = scan.max});
}

// One thread a run: samples side by side keep all cores busy, and sums have one order.
constexpr int kThreadsPerRun = 1;

}  // namespace

CalibrationReport calibrate(const Model& model, const Dataset& data,
                            std::span<const std::string> tensors, const CalibrateConfig& config,
                            const ProgressSink& progress, std::stop_token stop) {
  const std::vector<std::string> names = without_duplicates(tensors);
  Estimators running(config.method, names.size());
  const auto session = open_observed_session(model, names, {.threads = kThreadsPerRun});

  const auto work = [&](std::size_t, const Sample& sample) -> Completion {
    auto seen = std::make_shared<Estimators>(config.method, names.size());
    session->run(sample.inputs, [&](std::size_t value, std::span<const float> elements) {
      observe_elements(names[value], elements, (*seen)[value]);
    });
    return [&running, seen] { running.merge(*seen); };
  };
  const ProcessConfig process{
      .threads = static_cast<std::size_t>(config.threads > 0 ? config.threads : usable_cores()),
      .on_bad_sample = config.on_bad_sample,
      .stage = "calibrate",
      .progress = progress};

  CalibrationReport report;
  report.bad_samples = process_samples(data, process, work, stop);
  report.table = {.method = config.method,
                  .model_sha256 = digest_of(model),
                  .data_sha256 = data.digest(),
                  .samples = data.size() - report.bad_samples.size(),
                  .planish_version = std::string(kVersion)};
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (const auto range = running[i].range()) report.table.ranges.emplace(names[i], *range);
  }
  return report;
}

}  // namespace planish
