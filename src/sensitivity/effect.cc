#include "sensitivity/effect.h"

#include <algorithm>
#include <numeric>

#include "planish/compare/metrics.h"

namespace planish::sensitivity_detail {
namespace {

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::optional<double> mean_if_any(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  return mean(values);
}

}  // namespace

void NoiseSum::add(const Tensor& reference, const Tensor& candidate) {
  const Difference sums = difference(reference, candidate);
  signal_ += sums.reference_energy;
  noise_ += sums.candidate_is_finite ? sums.noise_energy : sums.reference_energy;
}

double NoiseSum::relative() const {
  if (noise_ == 0.0) return 0.0;
  // All noise over no signal: as bad as it gets.
  return signal_ == 0.0 ? 1.0 : noise_ / signal_;
}

void EffectSum::add(const Tensor& reference, const Tensor& candidate,
                    std::optional<std::int64_t> label) {
  const Difference sums = difference(reference, candidate);
  cosines_.push_back(sums.cosine());
  noise_.add(reference, candidate);
  if (!has_classes(reference.dims()) || !row_of(reference.dtype()).is_float) return;
  const ClassScores expected = class_scores(reference);
  const ClassScores found = class_scores(candidate);
  for (std::size_t row = 0; row < expected.rows(); ++row) {
    const auto first = top_classes(expected.row(row), 1).front();
    const auto second = top_classes(found.row(row), 1).front();
    const bool usable = sums.candidate_is_finite;
    agreements_.push_back(usable && first == second ? 1.0 : 0.0);
    if (usable) {
      divergences_.push_back(kl_divergence(class_probabilities(expected.row(row)),
                                           class_probabilities(found.row(row))));
    }
    if (label && expected.rows() == 1) right_.push_back(usable && second == *label ? 1.0 : 0.0);
  }
}

OutputEffect EffectSum::effect() const {
  OutputEffect effect;
  effect.relative_noise = noise_.relative();
  if (!cosines_.empty()) {
    effect.cosine_mean = mean(cosines_);
    effect.cosine_min = *std::ranges::min_element(cosines_);
  }
  effect.kl_divergence = mean_if_any(divergences_);
  effect.top1_agreement = mean_if_any(agreements_);
  effect.top1 = mean_if_any(right_);
  return effect;
}

}  // namespace planish::sensitivity_detail
