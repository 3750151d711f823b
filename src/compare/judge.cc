#include <cstdio>

#include "planish/compare/compare.h"

namespace planish {
namespace {

// Shares of whole samples are compared, so a difference of rounding must not decide: 0.90 - 0.89 is
// more than 0.01 in binary.
constexpr double kRounding = 1e-9;

std::string number(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", digits, value);
  return text;
}

// Points of a hundred, since accuracies are told so.
std::string percent(double share) { return number(100.0 * share, 2) + " %"; }

void judge_classes(const AccuracyReport& report, double max_drop, Verdict& verdict) {
  if (report.fp32_top1 && report.int8_top1) {
    const double drop = *report.fp32_top1 - *report.int8_top1;
    if (drop <= max_drop + kRounding) return;
    verdict.failures.push_back("top-1 accuracy drops from " + percent(*report.fp32_top1) + " to " +
                               percent(*report.int8_top1) + " on " +
                               std::to_string(report.labelled_samples) +
                               " labelled samples; at most " + percent(max_drop) + " is accepted");
  } else if (report.top1_agreement && *report.top1_agreement < 1.0 - max_drop - kRounding) {
    verdict.failures.push_back("the same first class on " + percent(*report.top1_agreement) +
                               " of " + std::to_string(report.samples) + " samples; at least " +
                               percent(1.0 - max_drop) + " is expected");
  }
}

}  // namespace

Verdict judge(const AccuracyReport& report, const AccuracyThresholds& thresholds) {
  Verdict verdict;
  if (report.samples == 0) verdict.failures.emplace_back("no sample was compared");
  if (!report.non_finite.empty()) {
    verdict.failures.push_back("NaN or infinite outputs on " +
                               std::to_string(report.non_finite.size()) + " of " +
                               std::to_string(report.samples) + " samples, the first '" +
                               report.non_finite.front().name + "'");
  }
  judge_classes(report, thresholds.max_drop, verdict);
  if (!(report.cosine_mean >= thresholds.min_cosine)) {
    verdict.failures.push_back("mean cosine " + number(report.cosine_mean, 5) + "; at least " +
                               number(thresholds.min_cosine, 5) + " is expected");
  }
  return verdict;
}

}  // namespace planish
