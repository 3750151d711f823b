// Calibration and preprocessing that do not fit the data.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "diagnose/commands.h"
#include "diagnose/facts.h"
#include "planish/base/json.h"

namespace planish::diagnose_detail {
namespace {

constexpr double kClippingDb = 15.0;    // 3 % of the energy is cut off
constexpr float kUnusedFactor = 16.0F;  // four of the eight bits
constexpr double kMostUnused = 0.25;    // of the tensors

std::string range_text(const TensorRange& range) {
  return fmt::format("[{:.3g}, {:.3g}]", range.min, range.max);
}

std::string source_of_ranges(const Facts& facts) {
  if (facts.config.calibration) return "the ranges of " + facts.config.calibration->string();
  if (facts.config.calibration_data)
    return "the ranges that " + facts.config.calibration_data->string() + " gives";
  return "the ranges that the INT8 model holds";
}

/// The channel of the input whose mean or deviation differs most between the two sets; nothing when
/// none does by much.
std::string different_moments(const Facts& facts) {
  const auto& data = facts.input_moments;
  const auto& calibration = facts.calibration_moments;
  for (std::size_t c = 0; c < std::min(data.size(), calibration.size()); ++c) {
    const double deviation = std::max({data[c].deviation, calibration[c].deviation, 1e-12});
    const bool is_shifted = std::abs(data[c].mean - calibration[c].mean) > deviation;
    const double ratio = data[c].deviation / std::max(calibration[c].deviation, 1e-12);
    if (!is_shifted && ratio < 2.0 && ratio > 0.5) continue;
    return fmt::format(
        "input channel {} has mean {:.3g} and deviation {:.3g} in the data, {:.3g} and {:.3g} in "
        "the calibration samples",
        c, data[c].mean, data[c].deviation, calibration[c].mean, calibration[c].deviation);
  }
  return {};
}

void find_unlike_data(const Facts& facts, Judgement& judgement) {
  if (facts.range_fits.empty()) {
    judgement.not_checked.push_back(
        {FindingCode::kCalibrationUnlikeData,
         facts.config.data ? "no range belongs to a value of the FP32 model" : "needs --data"});
    return;
  }
  std::vector<RangeFit> clipped;
  std::vector<RangeFit> unused;
  for (const RangeFit& fit : facts.range_fits) {
    const float observed = fit.observed.max - fit.observed.min;
    const float range = fit.range.max - fit.range.min;
    if (fit.clipping_db < kClippingDb) clipped.push_back(fit);
    if (observed > 0 && range > kUnusedFactor * observed) unused.push_back(fit);
  }
  std::ranges::stable_sort(clipped, {}, &RangeFit::clipping_db);
  const auto tensors = static_cast<double>(facts.range_fits.size());
  const bool mostly_unused = static_cast<double>(unused.size()) > kMostUnused * tensors;
  const std::string moments = different_moments(facts);
  if (clipped.empty() && !mostly_unused && moments.empty()) return;
  Finding finding{.code = FindingCode::kCalibrationUnlikeData,
                  .numbers = {{"tensors", tensors},
                              {"tensors_clipped", static_cast<double>(clipped.size())},
                              {"tensors_unused", static_cast<double>(unused.size())}}};
  std::string& text = finding.evidence;
  if (!clipped.empty()) {
    const RangeFit& worst = clipped.front();
    text = fmt::format(
        "{} cut off much of {} of {} tensors; of '{}', which holds {}, {:.1f} % lie "
        "outside {}",
        source_of_ranges(facts), clipped.size(), facts.range_fits.size(), worst.tensor,
        range_text(worst.observed), 100 * worst.clipped_share, range_text(worst.range));
  }
  if (mostly_unused) {
    text += fmt::format("{}{} of {} tensors use less than 1/{:.0f} of {}; '{}' holds {} of {}",
                        text.empty() ? "" : "; ", unused.size(), facts.range_fits.size(),
                        kUnusedFactor, source_of_ranges(facts), unused.front().tensor,
                        range_text(unused.front().observed), range_text(unused.front().range));
  }
  if (!moments.empty()) text += (text.empty() ? "" : "; ") + moments;
  for (const RangeFit& fit : clipped.empty() ? unused : clipped)
    finding.places.push_back(fit.tensor);
  finding.remedy = "calibrate on samples like these, with the preprocessing that is served";
  Facts with_data = facts;
  with_data.config.calibration.reset();
  with_data.config.calibration_data = facts.config.data;
  finding.commands = {quantize_command(with_data)};
  judgement.findings.push_back(std::move(finding));
}

/// A change of answers that chance makes once in a hundred times (McNemar, normal approximation).
constexpr double kSignificant = 2.58;
constexpr double kWorthwhileTop1 = 0.03;
/// Nats. A trained network's own statistics lie well below (docs/diagnosis.md).
constexpr double kFarFromTraining = 0.5;
constexpr double kMuchNearer = 0.25;  // of the distance
constexpr double kNearlyAsNear = 0.05;

double accuracy_of(const PreprocessTrial& trial) {
  return trial.right.empty() ? 0.0
                             : static_cast<double>(std::ranges::count(trial.right, true)) /
                                   static_cast<double>(trial.right.size());
}

bool is_significant(const PreprocessTrial& given, const PreprocessTrial& other) {
  double gained = 0;
  double lost = 0;
  for (std::size_t i = 0; i < std::min(given.right.size(), other.right.size()); ++i) {
    gained += other.right[i] && !given.right[i] ? 1 : 0;
    lost += given.right[i] && !other.right[i] ? 1 : 0;
  }
  return gained - lost > kSignificant * std::sqrt(gained + lost) &&
         accuracy_of(other) > accuracy_of(given) + kWorthwhileTop1;
}

void find_preprocess_mismatch(const Facts& facts, Judgement& judgement) {
  if (!facts.preprocess_trials || facts.preprocess_trials->trials.size() < 2) return;
  const PreprocessTrials& trials = *facts.preprocess_trials;
  const PreprocessTrial& given = trials.trials.front();
  const auto score = [&](const PreprocessTrial& trial) {
    return trials.by_label ? accuracy_of(trial) : -trial.distance;
  };
  const PreprocessTrial& best =
      *std::ranges::max_element(trials.trials, {}, score);  // the first of equals
  const auto better = [&](const PreprocessTrial& than, const PreprocessTrial& one) {
    return trials.by_label
               ? is_significant(than, one)
               : than.distance > kFarFromTraining && one.distance < kMuchNearer * than.distance;
  };
  // Of those that the best is not clearly better than, the first: trials begin with small changes.
  const auto is_as_good = [&](const PreprocessTrial& trial) {
    return trials.by_label ? !is_significant(trial, best)
                           : trial.distance <= best.distance + kNearlyAsNear;
  };
  const auto chosen = std::ranges::find_if(trials.trials, [&](const PreprocessTrial& trial) {
    return better(given, trial) && is_as_good(trial);
  });
  if (chosen == trials.trials.end()) return;
  Finding finding{.code = FindingCode::kPreprocessMismatch};
  if (trials.by_label) {
    finding.evidence = fmt::format(
        "top-1 of the FP32 model rises from {:.2f} to {:.2f} with {} ({} samples, {} "
        "preprocessings tried)",
        accuracy_of(given), accuracy_of(*chosen), chosen->what, trials.samples,
        trials.trials.size());
    finding.gain = Gain{"top1", accuracy_of(given), accuracy_of(*chosen), true};
  } else {
    finding.evidence = fmt::format(
        "what enters the first BatchNormalization is {:.2f} nats from the statistics of training; "
        "{:.2f} with {} ({} samples, {} preprocessings tried)",
        given.distance, chosen->distance, chosen->what, trials.samples, trials.trials.size());
    finding.gain = Gain{"nats_from_training", given.distance, chosen->distance, true};
  }
  finding.numbers = {{"tried", static_cast<double>(trials.trials.size())},
                     {"samples", static_cast<double>(trials.samples)}};
  finding.remedy = "use that preprocessing everywhere: calibration, evaluation and serving";
  Facts fixed = facts;
  fixed.config.preprocess_name = "better.json";
  std::string spec = to_text(to_json(chosen->spec), -1);
  while (spec.ends_with('\n')) spec.pop_back();
  finding.commands = {"echo " + shell_word(spec) + " > better.json",
                      compare_command(fixed, "diagnose"), quantize_command(fixed)};
  judgement.findings.push_back(std::move(finding));
}

}  // namespace

void find_data_faults(const Facts& facts, Judgement& judgement) {
  find_unlike_data(facts, judgement);
  find_preprocess_mismatch(facts, judgement);
}

}  // namespace planish::diagnose_detail
