// What the models answer: to the user's samples, and at other optimization levels.
#include <algorithm>
#include <cmath>
#include <limits>

#include "diagnose/samples.h"
#include "diagnose/subjects.h"
#include "planish/base/error.h"
#include "planish/bench/bench.h"
#include "planish/compare/compare.h"

namespace planish::diagnose_detail {
namespace {

constexpr double kAnswerShare = 0.2;  // of the budget
constexpr double kLevelShare = 0.1;
constexpr double kLevelInputs = 8;  // at most

/// Sums over all float outputs of all inputs.
struct NoiseSums {
  double signal = 0.0;
  double noise = 0.0;

  void add(const std::vector<Tensor>& expected, const std::vector<Tensor>& found) {
    for (std::size_t i = 0; i < std::min(expected.size(), found.size()); ++i) {
      if (!row_of(expected[i].dtype()).is_float || expected[i].dims() != found[i].dims()) continue;
      const std::vector<float> a = expected[i].to_floats();
      const std::vector<float> b = found[i].to_floats();
      for (std::size_t k = 0; k < a.size(); ++k) {
        signal += static_cast<double>(a[k]) * a[k];
        noise += (static_cast<double>(a[k]) - b[k]) * (static_cast<double>(a[k]) - b[k]);
      }
    }
  }
  [[nodiscard]] double db() const { return sqnr_db(signal, noise); }
};

/// Whether sums of `facts.fitted` are safe where those of the INT8 model are not, on this machine.
bool saturates_here(const Facts& facts) {
  return facts.fitted && totals_of(facts.fitted->report.reductions).reduced > 0 &&
         row_of(target_of_isa(facts.host.isa)).u8s8_saturates;
}

std::vector<std::vector<NamedTensor>> level_inputs(const Subjects& subjects, const Facts& facts) {
  std::vector<std::vector<NamedTensor>> inputs;
  if (subjects.data && facts.batch == 1) {
    constexpr double kRuns = 4;  // of one input; as it is written, a model is slower than as served
    const double fit =
        kLevelShare * facts.config.seconds / (kRuns * std::max(facts.run_seconds, 1e-6));
    const SpreadDataset few(*subjects.data,
                            static_cast<std::size_t>(std::clamp(fit, 1.0, kLevelInputs)));
    for (std::size_t i = 0; i < few.size(); ++i) inputs.push_back(few.read(i).inputs);
  } else {
    inputs.push_back(subjects.inputs);
  }
  return inputs;
}

SessionConfig at(GraphOptimization level) {
  SessionConfig config;
  config.optimization = level;
  return config;
}

LevelAgreement compare_levels(const Subjects& subjects, const Facts& facts) {
  // Where sums saturate the levels differ for that reason, which has a finding of its own: here the
  // model is taken without.
  const Model& int8 = saturates_here(facts) ? facts.fitted->model : subjects.int8;
  const auto fp32_written = open_session(subjects.fp32, at(GraphOptimization::kNone));
  const auto fp32_served = open_session(subjects.fp32, at(GraphOptimization::kAll));
  const auto int8_written = open_session(int8, at(GraphOptimization::kNone));
  const auto int8_served = open_session(int8, at(GraphOptimization::kAll));
  NoiseSums fp32;
  NoiseSums levels;
  NoiseSums quantization;
  LevelAgreement agreement;
  for (const auto& inputs : level_inputs(subjects, facts)) {
    const auto reference = fp32_written->run(inputs);
    const auto written = int8_written->run(inputs);
    fp32.add(reference, fp32_served->run(inputs));
    levels.add(written, int8_served->run(inputs));
    quantization.add(reference, written);
    ++agreement.inputs;
  }
  agreement.fp32_db = fp32.db();
  agreement.int8_db = levels.db();
  agreement.quantization_db = quantization.db();
  return agreement;
}

std::optional<Labels> load_labels(const Subjects& subjects, const Facts& facts) {
  if (!facts.config.labels || !subjects.data) return std::nullopt;
  Labels labels = Labels::load(*facts.config.labels);
  labels.require_match(*subjects.data);
  return labels;
}

}  // namespace

double sqnr_db(double signal, double noise) {
  if (noise <= 0.0) return std::numeric_limits<double>::infinity();
  return signal <= 0.0 ? -std::numeric_limits<double>::infinity()
                       : 10.0 * std::log10(signal / noise);
}

std::size_t samples_within(double seconds, double sample_seconds, int threads, std::size_t most) {
  const double samples = sample_seconds > 0 ? seconds * threads / sample_seconds : 1e9;
  return static_cast<std::size_t>(
      std::clamp(samples, std::min(16.0, static_cast<double>(most)), static_cast<double>(most)));
}

void measure_answers(const Subjects& subjects, const Budget& budget, Facts& facts,
                     const ProgressSink& progress, const std::stop_token& stop) {
  const std::optional<Labels> labels = load_labels(subjects, facts);
  if (!subjects.comparable) return;
  try {
    facts.levels = compare_levels(subjects, facts);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) throw;
    facts.skipped.push_back({FindingCode::kLevelsDisagree, error.message()});
  }
  if (!subjects.data || facts.batch != 1) return;
  // One thread a session, samples side by side: all cores work, and the result does not vary.
  const auto fp32 = open_session(subjects.fp32);
  const auto int8 = open_session(subjects.int8);
  std::unique_ptr<Session> fitted;
  if (saturates_here(facts)) fitted = open_session(facts.fitted->model);
  CompareConfig config;
  config.threads = usable_cores();
  config.on_bad_sample = facts.config.on_bad_sample;
  const double a_sample = (fitted ? 3 : 2) * facts.run_seconds;
  const SpreadDataset samples(
      *subjects.data, samples_within(kAnswerShare * budget.total(), a_sample, config.threads,
                                     subjects.data->size()));
  Comparison comparison(*fp32, samples, labels ? &*labels : nullptr, config);
  facts.answers.emplace();
  facts.answers->int8 = comparison.compare(*int8, progress, stop);
  if (fitted) facts.answers->fitted = comparison.compare(*fitted, progress, stop);
}

}  // namespace planish::diagnose_detail
