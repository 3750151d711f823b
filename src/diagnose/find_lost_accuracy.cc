#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "diagnose/commands.h"
#include "diagnose/facts.h"
#include "planish/base/json.h"

namespace planish::diagnose_detail {
namespace {

// ---- sums and scales -------------------------------------------------------------------------

/// Less is lost in the noise of other samples.
constexpr double kWorthwhileDb = 1.0;

void find_saturation(const Facts& facts, Judgement& judgement) {
  if (!facts.fitted) return;
  const RangeReductionTotals totals = totals_of(facts.fitted->report.reductions);
  if (totals.reduced == 0) return;
  Finding finding{
      .code = FindingCode::kSaturation,
      .evidence = fmt::format("pairs of products can exceed 16 bits in {} of {} output channels",
                              totals.reduced, totals.channels),
      .numbers = {{"channels", static_cast<double>(totals.channels)},
                  {"channels_at_risk", static_cast<double>(totals.reduced)}},
      .remedy = "give up range in just those channels, by up to " +
                fmt::format("{:.2f}x", totals.largest_ratio) +
                "; from the FP32 model it loses less than from the INT8 one",
      .commands = {fit_command(facts), quantize_command(facts)}};
  for (const RangeReduction& weight : facts.fitted->report.reductions) {
    if (weight.reduced > 0) finding.places.push_back(weight.node);
  }
  if (facts.answers && facts.answers->fitted) {
    const AccuracyReport& now = facts.answers->int8;
    const AccuracyReport& then = *facts.answers->fitted;
    if (then.sqnr_db - now.sqnr_db < kWorthwhileDb) return;  // not on this data
    finding.gain = Gain{"sqnr_db", now.sqnr_db, then.sqnr_db, true};
    if (now.int8_top1 && then.int8_top1) {
      finding.evidence +=
          fmt::format("; without, top-1 is {:.1f} %, not {:.1f} % (FP32 {:.1f} %)",
                      100 * *then.int8_top1, 100 * *now.int8_top1, 100 * now.fp32_top1.value_or(0));
    }
  } else {
    finding.evidence += facts.config.data ? "" : "; whether they do shows with --data";
  }
  judgement.findings.push_back(std::move(finding));
}

/// Channels of a weight that one scale leaves with few integers.
struct StarvedChannels {
  const Int8Layer* layer = nullptr;
  std::size_t starved = 0;
  std::size_t channels = 0;
};

/// Rounding to whole numbers has an error of 1/12: a channel whose integers have a mean square of
/// less than this is known to less than 20 dB.
constexpr double kLeastMeanSquare = 100.0 / 12.0;
constexpr double kStarvedShare = 0.1;

StarvedChannels starved_channels(const Int8Layer& layer) {
  StarvedChannels result{&layer, 0, 0};
  const Tensor& weight = *layer.weight;
  const auto channels = static_cast<std::size_t>(weight.dims()[layer.channel_axis]);
  std::size_t inner = 1;
  for (std::size_t i = layer.channel_axis + 1; i < weight.rank(); ++i)
    inner *= static_cast<std::size_t>(weight.dims()[i]);
  const std::vector<std::int64_t> values = weight.to_ints();
  const std::int64_t zero = layer.zero_point.value_or(0);
  std::vector<double> square(channels);
  for (std::size_t k = 0; k < values.size(); ++k) {
    const auto q = static_cast<double>(values[k] - zero);
    square[k / inner % channels] += q * q;
  }
  const double count = static_cast<double>(values.size()) / static_cast<double>(channels);
  for (const double sum : square) {
    if (sum == 0.0) continue;  // nothing to know
    ++result.channels;
    result.starved += sum / count < kLeastMeanSquare ? 1 : 0;
  }
  return result;
}

void find_wide_weights(const Facts& facts, Judgement& judgement) {
  std::vector<StarvedChannels> starved;
  for (const Int8Layer& layer : facts.layers) {
    const bool has_one_scale = layer.weight && layer.scales.size() == 1 &&
                               layer.weight->rank() > layer.channel_axis &&
                               layer.weight->dims()[layer.channel_axis] > 1;
    if (!has_one_scale) continue;
    const StarvedChannels found = starved_channels(layer);
    if (static_cast<double>(found.starved) > kStarvedShare * static_cast<double>(found.channels))
      starved.push_back(found);
  }
  if (starved.empty()) return;
  std::ranges::stable_sort(starved, std::ranges::greater(), &StarvedChannels::starved);
  Finding finding{
      .code = FindingCode::kWeightRangesWide,
      .evidence = fmt::format(
          "{} weights have one scale each that leaves many channels below 20 dB; the worst: {} of "
          "{} channels of '{}'",
          starved.size(), starved.front().starved, starved.front().channels,
          starved.front().layer->node),
      .numbers = {{"weights", static_cast<double>(starved.size())},
                  {"channels", static_cast<double>(starved.front().starved)}},
      .remedy = "one scale per output channel: the default of `planish quantize`",
      .commands = {quantize_command(facts)}};
  for (const StarvedChannels& found : starved) finding.places.push_back(found.layer->node);
  judgement.findings.push_back(std::move(finding));
}

/// Five of the eight bits.
constexpr float kWideRatio = 32.0F;

void find_wide_activations(const Facts& facts, Judgement& judgement) {
  std::vector<ChannelSpread> wide;
  for (const ChannelSpread& spread : facts.channel_spreads) {
    if (spread.widest > kWideRatio * spread.median) wide.push_back(spread);
  }
  if (wide.empty()) return;
  std::ranges::stable_sort(wide, std::ranges::greater(),
                           [](const ChannelSpread& s) { return s.widest / s.median; });
  const ChannelSpread& worst = wide.front();
  Finding finding{
      .code = FindingCode::kActivationRangesWide,
      .evidence = fmt::format("{} activations; the worst is '{}': its widest channel reaches "
                              "{:.3g}, the median one of {} {:.3g}: {:.0f} times less",
                              wide.size(), worst.tensor, worst.widest, worst.channels, worst.median,
                              worst.widest / worst.median),
      .numbers = {{"activations", static_cast<double>(wide.size())},
                  {"ratio", worst.widest / worst.median}},
      .remedy = "let the scales of channels move into the weights around them",
      .commands = {quantize_command(facts, "--equalize")}};
  for (const ChannelSpread& spread : wide) finding.places.push_back(spread.tensor);
  judgement.findings.push_back(std::move(finding));
}

// ---- answers ---------------------------------------------------------------------------------

/// Rounding of float32 in a few hundred layers stays above 80 dB; below half of that an optimizer
/// changed the meaning.
constexpr double kFp32Db = 40.0;
/// The integer kernels round once where the written graph rounds twice: about what quantization
/// itself loses. Less than this, and more than quantization lost, is no rounding.
constexpr double kInt8Db = 20.0;

void find_level_differences(const Facts& facts, Judgement& judgement) {
  if (!facts.levels) return;
  const LevelAgreement& levels = *facts.levels;
  const bool fp32_differs = levels.fp32_db < kFp32Db;
  const bool int8_differs = levels.int8_db < kInt8Db && levels.int8_db < levels.quantization_db;
  if (!fp32_differs && !int8_differs) return;
  const double found = int8_differs ? levels.int8_db : levels.fp32_db;
  judgement.findings.push_back(
      {.code = FindingCode::kLevelsDisagree,
       .evidence =
           int8_differs
               ? fmt::format("the INT8 model as served agrees with itself as written to {:.1f} dB, "
                             "where quantization keeps {:.1f} dB of FP32",
                             levels.int8_db, levels.quantization_db)
               : fmt::format("the FP32 model as served agrees with itself as written to {:.1f} dB; "
                             "rounding leaves more than {:.0f}",
                             levels.fp32_db, kFp32Db),
       .numbers = {{"agreement_db", found}, {"inputs", static_cast<double>(levels.inputs)}},
       .remedy = int8_differs ? "see which pairs the runtime rewrites, and quantize again; until "
                                "then serve with a lower optimization level"
                              : "serve it with a lower optimization level, and report it to ONNX "
                                "Runtime with the model",
       .commands = int8_differs ? std::vector<std::string>{"planish inspect --nodes " +
                                                               shell_word(facts.int8_path),
                                                           quantize_command(facts)}
                                : std::vector<std::string>{}});
}

constexpr double kLeastCosine = 0.99;
constexpr double kLeastAgreement = 0.95;
constexpr double kMostDrop = 0.01;

/// What is beyond the limits, as text; empty: nothing. The changed answers of n samples go either
/// way by chance: a drop counts when it is twice what chance makes of them.
std::string beyond_limits(const AccuracyReport& report) {
  std::string text;
  const auto add = [&](std::string part) { text += (text.empty() ? "" : "; ") + part; };
  if (report.cosine_mean < kLeastCosine)
    add(fmt::format("mean cosine {:.4f} < {}", report.cosine_mean, kLeastCosine));
  const double agreement = report.top1_agreement.value_or(1.0);
  if (report.fp32_top1 && report.int8_top1) {
    const auto samples = static_cast<double>(std::max<std::size_t>(report.labelled_samples, 1));
    const double chance = std::sqrt((1.0 - agreement) * samples) / samples;
    const double drop = *report.fp32_top1 - *report.int8_top1;
    if (drop > std::max(kMostDrop, 2.0 * chance))
      add(fmt::format("top-1 {:.1f} % -> {:.1f} %", 100 * *report.fp32_top1,
                      100 * *report.int8_top1));
  } else if (agreement < kLeastAgreement) {
    add(fmt::format("top-1 agreement {:.1f} % < {:.0f} %", 100 * agreement, 100 * kLeastAgreement));
  }
  if (!report.non_finite.empty())
    add(fmt::format("NaN or infinity for {} samples", report.non_finite.size()));
  return text;
}

void find_different_answers(const Facts& facts, Judgement& judgement) {
  if (!facts.answers) {
    judgement.not_checked.push_back(
        {FindingCode::kAnswersDiffer,
         facts.config.data ? "the models do not run on the same inputs" : "needs --data"});
    return;
  }
  const AccuracyReport& report = facts.answers->int8;
  const std::string text = beyond_limits(report);
  if (text.empty()) return;
  judgement.findings.push_back(
      {.code = FindingCode::kAnswersDiffer,
       .evidence =
           fmt::format("{}, on {} samples (SQNR {:.1f} dB)", text, report.samples, report.sqnr_db),
       .numbers = {{"cosine_mean", report.cosine_mean},
                   {"sqnr_db", report.sqnr_db},
                   {"top1_agreement", report.top1_agreement.value_or(1.0)}},
       .remedy = "follow the other findings; then make up for what quantization loses, and see the "
                 "worst samples",
       .commands = {quantize_command(facts, "--equalize --bias-correction --rounding adaptive"),
                    compare_command(facts, "compare")}});
}

// ---- data ------------------------------------------------------------------------------------

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

void find_lost_accuracy(const Facts& facts, Judgement& judgement) {
  find_saturation(facts, judgement);
  find_wide_weights(facts, judgement);
  find_wide_activations(facts, judgement);
  find_level_differences(facts, judgement);
  find_different_answers(facts, judgement);
}

void find_data_faults(const Facts& facts, Judgement& judgement) {
  find_unlike_data(facts, judgement);
  find_preprocess_mismatch(facts, judgement);
}

}  // namespace planish::diagnose_detail
