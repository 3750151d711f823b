// How one output of one sample differs between two models.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "planish/graph/tensor.h"

namespace planish {

/// Sums over the elements of one output of one sample, in double.
struct Difference {
  double dot = 0.0;  // sum reference * candidate
  double reference_energy = 0.0;
  double candidate_energy = 0.0;
  double noise_energy = 0.0;  // sum (reference - candidate)^2
  double max_abs_error = 0.0;
  std::size_t elements = 0;
  bool reference_is_finite = true;
  bool candidate_is_finite = true;

  /// In [-1, 1]; 1 for two zero vectors, 0 when only one is zero or the candidate is not finite.
  [[nodiscard]] double cosine() const;
};

/// @throws Error(kInvalidArgument) when type or dimensions differ, Error(kUnsupported) for strings
///   and complex numbers.
Difference difference(const Tensor& reference, const Tensor& candidate);

/// 10 log10(signal / noise); +infinity without noise, -infinity with noise alone.
double decibels(double signal_energy, double noise_energy);

/// A tensor [N, classes] seen as N rows of scores. Dimensions of 1 after the classes are ignored.
struct ClassScores {
  std::size_t classes = 0;
  std::vector<float> scores = {};  // [N, classes]

  [[nodiscard]] std::size_t rows() const { return classes == 0 ? 0 : scores.size() / classes; }
  [[nodiscard]] std::span<const float> row(std::size_t i) const {
    return std::span(scores).subspan(i * classes, classes);
  }
};

/// Whether `dims` are those of ClassScores with 2 classes or more.
bool has_classes(std::span<const std::int64_t> dims);
ClassScores class_scores(const Tensor& output);

/// Indices of the k greatest scores, greatest first; of equal ones the first. All, if fewer than k.
std::vector<std::int64_t> top_classes(std::span<const float> scores, std::size_t k);

/// Share of `a` that is also among `b`. Both have the same size.
double overlap(std::span<const std::int64_t> a, std::span<const std::int64_t> b);

/// `scores` as probabilities: as they are when none is negative and their sum is 1 to a thousandth
/// (the model ends in Softmax), else softmax(scores).
std::vector<double> class_probabilities(std::span<const float> scores);

/// Kullback-Leibler divergence in nats: sum p ln(p / q) over the classes that p gives any
/// probability. q is held above the least positive float32, so the result is finite for finite
/// scores. Both have the same size.
double kl_divergence(std::span<const double> p, std::span<const double> q);

}  // namespace planish
