#include "planish/calibrate/calibrate.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "calibrate/choose_range.h"
#include "calibrate/element_counter.h"
#include "calibrate/scan.h"
#include "calibrate/value_statistics.h"
#include "planish/base/error.h"
#include "planish/base/hash.h"
#include "planish/base/parallel.h"
#include "planish/base/version.h"
#include "planish/dataset/process_samples.h"
#include "planish/host/host.h"
#include "planish/onnx/onnx.h"
#include "planish/runtime/observed_session.h"

namespace planish {
namespace {

/// The statistics of all tensors, added to by many threads. Sums of integers, so their order does
/// not matter.
class SharedStatistics {
 public:
  SharedStatistics(std::size_t tensors, bool keep_histograms) : tensors_(tensors) {
    if (!keep_histograms) return;
    for (OneTensor& tensor : tensors_) tensor.statistics.histogram.emplace();
  }
  [[nodiscard]] bool keep_histograms() const {
    return !tensors_.empty() && tensors_.front().statistics.histogram.has_value();
  }
  void add_sample(std::size_t i, std::size_t elements, TensorRange range) {
    const std::lock_guard lock(tensors_[i].mutex);
    tensors_[i].statistics.add_sample(elements, range);
  }
  void take(std::size_t i, ElementCounter& counted) {
    const std::lock_guard lock(tensors_[i].mutex);
    tensors_[i].statistics.histogram->take(counted);
  }
  /// Not while samples are added.
  void merge(const SharedStatistics& other) {
    for (std::size_t i = 0; i < tensors_.size(); ++i)
      tensors_[i].statistics.merge(other.tensors_[i].statistics);
  }
  [[nodiscard]] const ValueStatistics& operator[](std::size_t i) const {
    return tensors_[i].statistics;
  }
  [[nodiscard]] std::size_t size() const { return tensors_.size(); }

 private:
  struct OneTensor {
    std::mutex mutex;  // guards statistics
    ValueStatistics statistics;
  };
  std::vector<OneTensor> tensors_;
};

/// Counters that no sample uses at the moment: as many are made as samples run side by side.
class CounterPool {
 public:
  [[nodiscard]] std::unique_ptr<ElementCounter> borrow() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<ElementCounter>();
    auto counter = std::move(idle_.back());
    idle_.pop_back();
    return counter;
  }
  void give_back(std::unique_ptr<ElementCounter> counter) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(counter));
  }

 private:
  std::mutex mutex_;  // guards idle_
  std::vector<std::unique_ptr<ElementCounter>> idle_;
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

// One thread a run: samples side by side keep all cores busy, and sums have one order.
constexpr int kThreadsPerRun = 1;

}  // namespace

struct Calibrator::State {
  State(const Model& model, std::span<const std::string> tensors, const CalibrateConfig& given)
      : config(given),
        names(without_duplicates(tensors)),
        model_sha256(digest_of(model)),
        session(open_observed_session(model, names, {.threads = kThreadsPerRun})),
        statistics(names.size(), needs_histogram(given.method)) {}

  void observe(const Sample& sample, SharedStatistics& seen, CounterPool& counters) const {
    auto counter = seen.keep_histograms() ? counters.borrow() : nullptr;
    session->run(sample.inputs, [&](std::size_t value, std::span<const float> elements) {
      if (elements.empty()) return;
      const ElementScan scan = scan_elements(elements);
      if (!scan.all_finite) fail_non_finite(names[value], elements);
      const TensorRange range{.min = scan.min, .max = scan.max};
      seen.add_sample(value, elements.size(), range);
      if (counter) take_counts(value, elements, range, *counter, seen);
    });
    if (counter) counters.give_back(std::move(counter));
  }

  /// In parts that a counter of 32 bits can count.
  static void take_counts(std::size_t value, std::span<const float> elements, TensorRange range,
                          ElementCounter& counter, SharedStatistics& seen) {
    constexpr std::size_t kMost = std::size_t{1} << 31;
    while (!elements.empty()) {
      const auto part = elements.first(std::min(elements.size(), kMost));
      counter.count(part, range);
      seen.take(value, counter);
      elements = elements.subspan(part.size());
    }
  }

  [[nodiscard]] std::size_t threads() const { return threads_or_usable(config.threads); }

  CalibrateConfig config;
  std::vector<std::string> names;
  std::string model_sha256;
  std::unique_ptr<ObservedSession> session;
  SharedStatistics statistics;
  std::string data_sha256 = {};
  std::uint64_t samples = 0;
};

Calibrator::Calibrator(const Model& model, std::span<const std::string> tensors,
                       const CalibrateConfig& config)
    : state_(std::make_unique<State>(model, tensors, config)) {}
Calibrator::~Calibrator() = default;
Calibrator::Calibrator(Calibrator&&) noexcept = default;
Calibrator& Calibrator::operator=(Calibrator&&) noexcept = default;

std::vector<BadSample> Calibrator::observe(const Dataset& data, const ProgressSink& progress,
                                           std::stop_token stop) {
  State& state = *state_;
  SharedStatistics seen(state.names.size(), state.statistics.keep_histograms());
  CounterPool counters;
  const auto work = [&](std::size_t, const Sample& sample) -> Completion {
    state.observe(sample, seen, counters);
    return [] {};
  };
  const ProcessConfig process{.threads = state.threads(),
                              .on_bad_sample = state.config.on_bad_sample,
                              .stage = "calibrate",
                              .progress = progress};
  std::vector<BadSample> bad_samples = process_samples(data, process, work, stop);
  state.statistics.merge(seen);
  state.samples += data.size() - bad_samples.size();
  state.data_sha256 =
      state.data_sha256.empty() ? data.digest() : sha256_hex(state.data_sha256 + data.digest());
  return bad_samples;
}

CalibrationTable Calibrator::table(CalibrationMethod method, const RangeOptions& options) const {
  validate(options);
  const State& state = *state_;
  CalibrationTable table{.method = method,
                         .model_sha256 = state.model_sha256,
                         .data_sha256 = state.data_sha256,
                         .samples = state.samples,
                         .planish_version = std::string(kVersion),
                         .options = options};
  std::vector<std::optional<ChosenRange>> chosen(state.names.size());
  parallel_for(chosen.size(), state.threads(), [&](std::size_t i) {
    chosen[i] = choose_range(state.statistics[i], method, options);
  });
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (!chosen[i]) continue;
    table.ranges.emplace(state.names[i], chosen[i]->range);
    table.observations.emplace(state.names[i], std::move(chosen[i]->observation));
  }
  return table;
}

std::map<std::string, TensorObservation, std::less<>> Calibrator::judge(
    const CalibrationTable& ranges) const {
  const State& state = *state_;
  if (!state.statistics.keep_histograms()) {
    throw Error(ErrorCode::kInvalidArgument,
                "samples that were run for minmax; expected a calibrator of another method, which "
                "keeps what ranges are judged by");
  }
  const RangeOptions options = ranges.options.value_or(RangeOptions{});
  std::vector<std::optional<TensorObservation>> seen(state.names.size());
  parallel_for(seen.size(), state.threads(), [&](std::size_t i) {
    const auto range = ranges.find(state.names[i]);
    if (range && state.statistics[i].elements > 0)
      seen[i] = observe_range(state.statistics[i], *range, options);
  });
  std::map<std::string, TensorObservation, std::less<>> observations;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    if (seen[i]) observations.emplace(state.names[i], *std::move(seen[i]));
  }
  return observations;
}

CalibrationReport calibrate(const Model& model, const Dataset& data,
                            std::span<const std::string> tensors, const CalibrateConfig& config,
                            const ProgressSink& progress, std::stop_token stop) {
  validate(config.options);  // before minutes of work
  Calibrator calibrator(model, tensors, config);
  CalibrationReport report;
  report.bad_samples = calibrator.observe(data, progress, std::move(stop));
  report.table = calibrator.table(config.method, config.options);
  return report;
}

}  // namespace planish
