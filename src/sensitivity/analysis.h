// One analysis: its subjects, what they share, and the steps from one to the other.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "planish/graph/graph_index.h"
#include "planish/inspect/inspect.h"
#include "planish/sensitivity/sensitivity.h"
#include "sensitivity/partial_results.h"
#include "sensitivity/shared_values.h"

namespace planish::sensitivity_detail {

double seconds_since(std::chrono::steady_clock::time_point start);

/// Samples, and what the float model answers.
struct Reference {
  std::vector<Sample> samples = {};
  std::vector<std::optional<std::int64_t>> labels = {};
  std::vector<Tensor> outputs = {};
  double run_seconds = 0.0;   // of one sample, the fastest
  double open_seconds = 0.0;  // of a session
};

/// A layer and the part of the model that is run for it.
struct Subject {
  LayerSensitivity result = {};
  std::vector<std::string> names = {};  // of its nodes
  std::string output = {};              // the value that it gives to others
  std::size_t output_maker = 0;
  std::vector<std::string> cuts = {};  // empty: the whole model is run
  bool reaches_output = true;
  double cost = 1.0;  // of one run, in runs of the whole model
};

class Analysis {
 public:
  Analysis(const Model& model, const CalibrationTable& table, const QuantizationPlan& plan,
           const Dataset& data, const Labels* labels, const SensitivityConfig& config,
           const ProgressSink& progress, std::stop_token stop);

  SensitivityReport run();

 private:
  void choose_output();
  void find_subjects();
  [[nodiscard]] DimSizes sample_dims() const;
  [[nodiscard]] Subject subject_of(PrecisionLayer layer, const std::vector<std::uint64_t>& work);
  [[nodiscard]] std::optional<LayerActivation> activation(const std::string& tensor) const;
  [[nodiscard]] std::optional<Sample> read_sample(std::size_t i) const;
  [[nodiscard]] std::size_t sample_count() const;
  void read_samples();
  [[nodiscard]] std::string key() const;
  std::vector<std::size_t> take_known(PartialResults& partial);
  void run_references();
  std::vector<std::vector<std::size_t>> plan_windows(const std::vector<std::size_t>& pending);
  void state_cost(const std::vector<std::size_t>& pending, std::size_t passes);
  void measure_window(const std::vector<std::size_t>& window, PartialResults& partial);
  void measure_only_int8(Subject& subject, const std::vector<SampleValues>& floats) const;
  void measure_only_fp32(Subject& subject, const std::vector<SampleValues>& integers) const;
  void profile();
  [[nodiscard]] double runs_per_sample() const;

  const Model& model_;
  const CalibrationTable& table_;
  const QuantizationPlan& plan_;
  const Dataset& data_;
  const Labels* labels_;
  const SensitivityConfig& config_;
  const ProgressSink& progress_;
  const std::stop_token stop_;
  const std::size_t threads_;
  const GraphIndex index_;
  const ValueTypes types_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();

  SensitivityReport report_;
  std::vector<Subject> subjects_;
  Reference reference_;
};

}  // namespace planish::sensitivity_detail
