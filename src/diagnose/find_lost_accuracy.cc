// Answers that are not those of FP32, or not those of the file.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "diagnose/commands.h"
#include "diagnose/facts.h"

namespace planish::diagnose_detail {
namespace {

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

}  // namespace

void find_lost_accuracy(const Facts& facts, Judgement& judgement) {
  find_level_differences(facts, judgement);
  find_different_answers(facts, judgement);
}

}  // namespace planish::diagnose_detail
