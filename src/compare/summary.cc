#include "compare/summary.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "planish/base/error.h"

namespace planish {
namespace {

double mean(const std::vector<double>& values) {
  if (values.empty()) return 0.0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// One per sample. Of a single element it would be 1 or -1 whatever the error: there the values of
/// all samples are one vector, and its cosine is that of each.
std::vector<double> cosines_of(const std::vector<SampleDifference>& samples, std::size_t output) {
  const auto of = [&](const SampleDifference& sample) -> const Difference& {
    return sample.outputs[output];
  };
  const bool is_single = std::ranges::all_of(
      samples, [&](const SampleDifference& sample) { return of(sample).elements == 1; });
  Difference all;
  for (const SampleDifference& sample : samples) {
    if (!of(sample).candidate_is_finite) continue;
    all.dot += of(sample).dot;
    all.reference_energy += of(sample).reference_energy;
    all.candidate_energy += of(sample).candidate_energy;
    all.noise_energy += of(sample).noise_energy;
  }
  std::vector<double> cosines;
  for (const SampleDifference& sample : samples) {
    const bool is_pooled = is_single && of(sample).candidate_is_finite;
    cosines.push_back(is_pooled ? all.cosine() : of(sample).cosine());
  }
  return cosines;
}

OutputAccuracy accuracy_of(const std::vector<SampleDifference>& samples, const std::string& name,
                           std::size_t output) {
  OutputAccuracy accuracy{.name = name};
  const std::vector<double> cosines = cosines_of(samples, output);
  double signal = 0.0;
  double noise = 0.0;
  for (const SampleDifference& sample : samples) {
    const Difference& difference = sample.outputs[output];
    if (!difference.candidate_is_finite) continue;
    signal += difference.reference_energy;
    noise += difference.noise_energy;
    accuracy.max_abs_error = std::max(accuracy.max_abs_error, difference.max_abs_error);
  }
  accuracy.sqnr_db = decibels(signal, noise);
  if (cosines.empty()) return accuracy;
  accuracy.cosine_mean = mean(cosines);
  accuracy.cosine_min = *std::min_element(cosines.begin(), cosines.end());
  return accuracy;
}

void summarize_classes(const std::vector<SampleDifference>& samples, AccuracyReport& report) {
  std::vector<double> top1;
  std::vector<double> topk;
  std::vector<double> reference_right;
  std::vector<double> candidate_right;
  for (const SampleDifference& sample : samples) {
    if (!sample.classes) return;  // not in one sample: not a classifier
    const ClassAnswers& answers = *sample.classes;
    top1.push_back(answers.top1_agreement);
    topk.push_back(answers.topk_agreement);
    if (!answers.label) continue;
    reference_right.push_back(answers.reference_top1 == *answers.label ? 1.0 : 0.0);
    candidate_right.push_back(answers.candidate_top1 == *answers.label ? 1.0 : 0.0);
  }
  report.is_classifier = true;
  report.top1_agreement = mean(top1);
  report.topk_agreement = mean(topk);
  report.labelled_samples = reference_right.size();
  if (reference_right.empty()) return;
  report.fp32_top1 = mean(reference_right);
  report.int8_top1 = mean(candidate_right);
}

std::vector<WorstSample> worst_of(const std::vector<SampleDifference>& samples,
                                  const std::vector<double>& cosines, std::size_t judged,
                                  std::size_t count) {
  std::vector<std::size_t> order(samples.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // A changed answer matters more than a small cosine with the same answer.
  const auto same_answer = [&](std::size_t i) {
    const auto& classes = samples[i].classes;
    return !classes || classes->reference_top1 == classes->candidate_top1;
  };
  const auto rank = [&](std::size_t i) {
    return std::tuple(same_answer(i), cosines[i], -samples[i].outputs[judged].noise_energy);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });
  order.resize(std::min(count, order.size()));
  std::vector<WorstSample> worst;
  for (const std::size_t i : order) {
    WorstSample sample{.name = samples[i].name, .cosine = cosines[i]};
    if (const auto& classes = samples[i].classes) {
      sample.reference_top1 = classes->reference_top1;
      sample.candidate_top1 = classes->candidate_top1;
      sample.label = classes->label;
    }
    worst.push_back(std::move(sample));
  }
  return worst;
}

std::vector<BadSample> non_finite_of(const std::vector<SampleDifference>& samples,
                                     const std::vector<std::string>& output_names) {
  std::vector<BadSample> found;
  for (const SampleDifference& sample : samples) {
    for (std::size_t output = 0; output < output_names.size(); ++output) {
      if (sample.outputs[output].candidate_is_finite) continue;
      found.push_back({.name = sample.name,
                       .reason = "output '" + output_names[output] + "' holds NaN or an infinity"});
    }
  }
  return found;
}

}  // namespace

ClassAnswers compare_classes(const Tensor& reference, const Tensor& candidate, std::size_t k,
                             std::optional<std::int64_t> label) {
  const ClassScores a = class_scores(reference);
  const ClassScores b = class_scores(candidate);
  if (label && (*label < 0 || static_cast<std::size_t>(*label) >= a.classes)) {
    throw Error(ErrorCode::kInvalidArgument, "label " + std::to_string(*label) +
                                                 "; expected a class from 0 to " +
                                                 std::to_string(a.classes - 1));
  }
  ClassAnswers answers;
  if (a.rows() == 1) answers.label = label;  // a label speaks of one row
  for (std::size_t row = 0; row < a.rows(); ++row) {
    const auto first = top_classes(a.row(row), std::max<std::size_t>(k, 1));
    const auto second = top_classes(b.row(row), std::max<std::size_t>(k, 1));
    if (row == 0) {
      answers.reference_top1 = first.front();
      answers.candidate_top1 = second.front();
    }
    answers.top1_agreement += first.front() == second.front() ? 1.0 : 0.0;
    answers.topk_agreement += overlap(first, second);
  }
  answers.top1_agreement /= static_cast<double>(a.rows());
  answers.topk_agreement /= static_cast<double>(a.rows());
  return answers;
}

AccuracyReport summarize(const std::vector<SampleDifference>& samples,
                         const std::vector<std::string>& output_names, std::size_t judged,
                         const CompareConfig& config) {
  AccuracyReport report{.samples = samples.size(), .k = config.k};
  for (std::size_t i = 0; i < output_names.size(); ++i) {
    report.outputs.push_back(accuracy_of(samples, output_names[i], i));
  }
  const OutputAccuracy& output = report.outputs[judged];
  report.cosine_mean = output.cosine_mean;
  report.cosine_min = output.cosine_min;
  report.sqnr_db = output.sqnr_db;
  report.max_abs_error = output.max_abs_error;
  report.sample_cosines = cosines_of(samples, judged);
  if (!samples.empty()) summarize_classes(samples, report);
  report.worst = worst_of(samples, report.sample_cosines, judged, config.worst);
  report.non_finite = non_finite_of(samples, output_names);
  return report;
}

}  // namespace planish
