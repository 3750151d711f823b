#include "advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace planish::pipeline {
namespace {

// Thresholds are about what a person would act on; none of them changes what is chosen.
constexpr std::size_t kFewCalibrationSamples = 32;
constexpr std::size_t kFewEvaluationSamples = 100;
constexpr double kLargePreprocessShare = 0.4;
constexpr double kNoisySpread = 0.30;
constexpr double kNoisyLoad = 0.15;
constexpr double kNoisySteal = 0.03;

using Text = std::optional<std::string>;

Text nothing_chosen(const AutoReport& report) {
  if (report.chosen) return std::nullopt;
  std::string reasons;
  for (const CandidateReport& candidate : report.candidates) {
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", candidate.name,
                           candidate.rejected_because.value_or("rejected"));
  }
  return "FP32 is handed out. " + reasons;
}

Text no_int8_instructions(const AutoReport& report) {
  const TargetRow& target = row_of(report.target);
  if (!target.u8s8_saturates) return std::nullopt;
  const auto expected = target.speed_up ? fmt::format("expect {:.1f}x to {:.1f}x",
                                                      target.speed_up->low, target.speed_up->high)
                                        : std::string("expect less than where there is one");
  const TargetRow& vnni = row_of(Target::kAvx512Vnni);
  return fmt::format(
      "{} has no 8-bit dot product (VNNI, AMX, dotprod): {}. A model made for --target {} reaches "
      "{:.1f}x to {:.1f}x there, with finer weights.",
      target.name, expected, vnni.name, vnni.speed_up->low, vnni.speed_up->high);
}

Text ranges_reduced(const AutoReport& report) {
  const std::vector<RangeReduction>& reductions = report.handed_out().reductions;
  if (totals_of(reductions).reduced == 0) return std::nullopt;
  return explain(reductions, report.target) +
         ": its answers are the same on every CPU. See `saturation` in report.json.";
}

/// "--equalize --rounding adaptive", … of `planish quantize`.
std::string switches_of(const RemediesUsed& remedies) {
  std::string text;
  for (const std::string& name : remedies.applied) {
    if (name == "equalization") text += " --equalize";
    if (name == "smoothing") text += " --smooth-with-mul";
    if (name == "adaptive-rounding") text += " --rounding adaptive";
    if (name == "bias-correction") text += " --bias-correction";
  }
  return text;
}

Text remedies_used(const AutoReport& report) {
  const std::optional<RemediesUsed>& remedies = report.handed_out().remedies;
  if (!remedies) return std::nullopt;
  return fmt::format(
      "Made with remedies (docs/remedies.md){}: SQNR {:+.1f} dB, cosine {:+.5f} against {}; {:.0f} "
      "s. "
      "`planish quantize` makes it with{}.",
      remedies->muls_added == 0
          ? std::string(", which cost no speed")
          : fmt::format(", with a Mul in front of {} inputs", remedies->muls_added),
      remedies->sqnr_gain_db, remedies->cosine_gain, remedies->of, remedies->seconds,
      switches_of(*remedies));
}

/// Where accuracy was what failed, and nothing was done about it.
Text remedies_not_tried(const AutoReport& report) {
  if (report.chosen) return std::nullopt;
  bool any_inaccurate = false;
  for (const CandidateReport& candidate : report.candidates) {
    if (candidate.remedies) return std::nullopt;
    any_inaccurate |= candidate.accuracy && candidate.method == Method::kStatic &&
                      !judge(*candidate.accuracy, report.config.thresholds).accepted();
  }
  if (!any_inaccurate) return std::nullopt;
  return report.config.remedies
             ? "The budget left no time for remedies against lost accuracy: raise --budget."
             : "Remedies against lost accuracy were not tried: leave out --no-remedies.";
}

Text another_target(const AutoReport& report) {
  const Target here = target_of_isa(report.host.isa);
  if (here == report.target) return std::nullopt;
  return fmt::format(
      "Made for {}, measured on {}: speed there is another{}. Run `planish bench` on a machine of "
      "the target before relying on it.",
      name_of(report.target), name_of(here),
      row_of(here).u8s8_saturates && !row_of(report.target).u8s8_saturates
          ? ", and accuracy too, since sums may saturate here"
          : "");
}

Text dynamic_not_offered(const AutoReport& report) {
  const bool was_tried = std::ranges::any_of(
      report.candidates,
      [](const CandidateReport& candidate) { return candidate.method == Method::kDynamic; });
  if (report.inspection.mode != RecommendedMode::kStatic || was_tried) return std::nullopt;
  return report.inspection.advice +
         ". Dynamic quantization was not tried: ONNX Runtime's integer "
         "convolution without calibrated ranges is slower than FP32.";
}

Text preprocessing_dominates(const AutoReport& report) {
  if (!report.end_to_end) return std::nullopt;
  const double preprocess = report.end_to_end->preprocess.latency_ms.p50;
  const double whole = report.end_to_end->chosen.latency_ms.p50;
  if (whole <= 0 || preprocess / whole < kLargePreprocessShare) return std::nullopt;
  return fmt::format(
      "Reading and preprocessing take {:.2f} of {:.2f} ms end to end ({:.0f} %): a request gains "
      "{:.2f}x "
      "where inference gains {:.2f}x. Send smaller images, or raw tensors.",
      preprocess, whole, 100 * preprocess / whole, report.end_to_end->fp32.latency_ms.p50 / whole,
      report.handed_out().speed_up.median);
}

Text few_calibration_samples(const AutoReport& report) {
  if (report.calibration_samples >= kFewCalibrationSamples) return std::nullopt;
  return fmt::format(
      "Ranges come from {} samples: give 100 or more that look like production traffic, or rare "
      "values will be clipped.",
      report.calibration_samples);
}

Text ranges_not_settled(const AutoReport& report) {
  const std::optional<CalibrationQuality>& quality = report.calibration_quality;
  if (!quality || quality->has_settled() || quality->tensors.empty()) return std::nullopt;
  return fmt::format(
      "Ranges have not settled: it took {} of {} calibration samples until 95 % of the tensors "
      "were "
      "within {} dB. Give more samples, as unlike each other as production traffic.",
      quality->enough, quality->samples, CalibrationQuality::kSettledDb);
}

Text samples_say_nothing_new(const AutoReport& report) {
  const std::optional<CalibrationQuality>& quality = report.calibration_quality;
  if (!quality) return std::nullopt;
  std::size_t repeated = 0;
  for (const auto& group : quality->duplicates) repeated += group.size() - 1;
  if (repeated + quality->constant.size() == 0) return std::nullopt;
  const std::string& first =
      quality->duplicates.empty() ? quality->constant.front() : quality->duplicates.front()[1];
  return fmt::format(
      "{} of {} calibration samples repeat another one and {} hold a single value: they say "
      "nothing "
      "new. The first: {}.",
      repeated, quality->samples, quality->constant.size(), first);
}

Text judged_on_calibration_data(const AutoReport& report) {
  if (report.config.eval_data) return std::nullopt;
  return "Accuracy was judged on the samples that the ranges come from, which flatters it: give "
         "others "
         "with --eval-data.";
}

Text few_evaluation_samples(const AutoReport& report) {
  std::size_t samples = 0;
  for (const CandidateReport& candidate : report.candidates) {
    if (candidate.accuracy) samples = std::max(samples, candidate.accuracy->samples);
  }
  if (samples == 0 || samples >= kFewEvaluationSamples) return std::nullopt;
  return fmt::format(
      "Accuracy was judged on {} samples, so one sample is {:.1f} points: give 100 or more with "
      "--eval-data.",
      samples, 100.0 / static_cast<double>(samples));
}

Text noisy_machine(const AutoReport& report) {
  const BenchReport& bench = report.bench;
  double spread = 0.0;
  for (const BenchResult& result : bench.results) spread = std::max(spread, result.spread);
  if (spread < kNoisySpread && bench.other_load_share < kNoisyLoad &&
      bench.steal_share < kNoisySteal) {
    return std::nullopt;
  }
  return fmt::format(
      "The machine was noisy: p95 up to {:.0f} % above p50, other processes took {:.0f} % of the "
      "CPU, the "
      "hypervisor {:.0f} %. The speed-up is a ratio of turns that ran side by side and holds; "
      "single "
      "milliseconds do not. Raise --bench-seconds or use an idle machine.",
      100 * spread, 100 * bench.other_load_share, 100 * bench.steal_share);
}

Text too_many_threads(const AutoReport& report) {
  if (report.config.threads <= report.host.cores_usable) return std::nullopt;
  return fmt::format(
      "{} threads on {} usable cores: a run waits for threads that cannot run. Use --threads {}.",
      report.config.threads, report.host.cores_usable, report.host.cores_usable);
}

Text work_left_in_fp32(const AutoReport& report) {
  if (!report.chosen) return std::nullopt;
  const double share = report.handed_out().quantized_mac_share;
  if (share >= 0.9) return std::nullopt;
  // Amdahl: with the INT8 part infinitely fast, 1 / (1 - share) is left.
  return fmt::format(
      "Only {:.0f} % of the multiply-accumulates run in INT8, which bounds the speed-up at "
      "{:.1f}x: see "
      "what was left in FP32 and why.",
      100 * share, 1.0 / (1.0 - share));
}

Text samples_skipped(const AutoReport& report) {
  if (report.bad_samples.empty()) return std::nullopt;
  return fmt::format("{} samples could not be read and were left out, the first: {}: {}",
                     report.bad_samples.size(), report.bad_samples.front().name,
                     report.bad_samples.front().reason);
}

struct AdviceRow {
  std::string_view code = {};
  Text (*text)(const AutoReport&) = nullptr;
};

constexpr std::array kAdvice{
    AdviceRow{"fp32-handed-out", nothing_chosen},
    AdviceRow{"no-int8-instructions", no_int8_instructions},
    AdviceRow{"ranges-reduced", ranges_reduced},
    AdviceRow{"remedies-used", remedies_used},
    AdviceRow{"remedies-not-tried", remedies_not_tried},
    AdviceRow{"made-for-another-cpu", another_target},
    AdviceRow{"static-fits", dynamic_not_offered},
    AdviceRow{"work-left-in-fp32", work_left_in_fp32},
    AdviceRow{"preprocessing-dominates", preprocessing_dominates},
    AdviceRow{"few-calibration-samples", few_calibration_samples},
    AdviceRow{"ranges-not-settled", ranges_not_settled},
    AdviceRow{"samples-repeat", samples_say_nothing_new},
    AdviceRow{"judged-on-calibration-data", judged_on_calibration_data},
    AdviceRow{"few-evaluation-samples", few_evaluation_samples},
    AdviceRow{"samples-skipped", samples_skipped},
    AdviceRow{"threads-above-cores", too_many_threads},
    AdviceRow{"noisy-machine", noisy_machine},
};

}  // namespace

std::vector<Advice> advice_for(const AutoReport& report) {
  std::vector<Advice> advice;
  for (const AdviceRow& row : kAdvice) {
    if (Text text = row.text(report))
      advice.push_back(Advice{std::string(row.code), std::move(*text)});
  }
  return advice;
}

}  // namespace planish::pipeline
