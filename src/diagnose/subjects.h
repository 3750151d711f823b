// The two models of a diagnosis, loaded, with what they are run on.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <vector>

#include "diagnose/facts.h"
#include "planish/base/clock.h"
#include "planish/dataset/dataset.h"
#include "planish/graph/model.h"
#include "planish/runtime/session.h"

namespace planish::diagnose_detail {

struct Subjects {
  Model fp32 = {};
  Model int8 = {};
  std::unique_ptr<Session> fp32_session = {};
  std::unique_ptr<Session> int8_session = {};  // null: it does not load
  std::unique_ptr<Dataset> all_data = {};
  std::unique_ptr<Dataset> data = {};  // at most config.max_samples of them; null: random inputs
  std::unique_ptr<Dataset> all_calibration_data = {};
  std::unique_ptr<Dataset> calibration_data = {};  // the same of config.calibration_data
  std::vector<NamedTensor> inputs = {};  // of one run, of Facts::batch samples; may be empty
  bool comparable = false;               // both models run on `inputs`
};

/// The time that measuring may take.
class Budget {
 public:
  Budget(double seconds, const Clock& clock) : clock_(clock), seconds_(seconds), start_(now()) {}
  [[nodiscard]] double spent() const { return now() - start_; }
  [[nodiscard]] double left() const { return std::max(0.0, seconds_ - spent()); }
  [[nodiscard]] double total() const { return seconds_; }

 private:
  [[nodiscard]] double now() const { return std::chrono::duration<double>(clock_.now()).count(); }
  const Clock& clock_;
  double seconds_;
  double start_;
};

/// Reads models and samples, and proves that the models run. @throws Error as diagnose().
Subjects load_subjects(const std::filesystem::path& fp32, const std::filesystem::path& int8,
                       Facts& facts);

/// What the graphs say, and what a run or two say.
void analyse(const Subjects& subjects, Facts& facts);

/// Runs the models side by side, with those that the remedies would make.
void measure_speed(const Subjects& subjects, const Budget& budget, Facts& facts,
                   const ProgressSink& progress, const std::stop_token& stop);

/// Runs the INT8 model with other batches, and requests end to end.
void measure_requests(const Subjects& subjects, const Budget& budget, Facts& facts,
                      const ProgressSink& progress, const std::stop_token& stop);

/// Compares answers: with FP32, between optimization levels, without saturation.
void measure_answers(const Subjects& subjects, const Budget& budget, Facts& facts,
                     const ProgressSink& progress, const std::stop_token& stop);

/// Observes activations of the FP32 model on the data.
void fit_ranges(const Subjects& subjects, const Budget& budget, Facts& facts,
                const std::stop_token& stop);

/// Tries other preprocessings on the FP32 model.
void try_preprocessing(const Subjects& subjects, const Budget& budget, Facts& facts,
                       const std::stop_token& stop);

}  // namespace planish::diagnose_detail
