#include "planish/compare/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "planish/base/error.h"

namespace planish {
namespace {

template <typename T>
Difference difference_of(std::span<const T> reference, std::span<const T> candidate) {
  Difference sums{.elements = reference.size()};
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const auto a = static_cast<double>(reference[i]);
    const auto b = static_cast<double>(candidate[i]);
    sums.dot += a * b;
    sums.reference_energy += a * a;
    sums.candidate_energy += b * b;
    sums.noise_energy += (a - b) * (a - b);
    sums.max_abs_error = std::max(sums.max_abs_error, std::abs(a - b));
    sums.reference_is_finite &= std::isfinite(a);
    sums.candidate_is_finite &= std::isfinite(b);
  }
  return sums;
}

std::string describe(const Tensor& tensor) {
  return std::string(name_of(tensor.dtype())) + " " + to_string(tensor.dims());
}

bool is_integer(DType dtype) {
  switch (dtype) {
    case DType::kUInt8:
    case DType::kInt8:
    case DType::kUInt16:
    case DType::kInt16:
    case DType::kUInt32:
    case DType::kInt32:
    case DType::kUInt64:
    case DType::kInt64:
    case DType::kBool:
      return true;
    default:
      return false;
  }
}

}  // namespace

double Difference::cosine() const {
  if (!candidate_is_finite) return 0.0;
  if (reference_energy == 0.0 || candidate_energy == 0.0) {
    return reference_energy == candidate_energy ? 1.0 : 0.0;
  }
  if (noise_energy == 0.0) return 1.0;
  // Two roots: the product of the energies may overflow.
  const double norms = std::sqrt(reference_energy) * std::sqrt(candidate_energy);
  return std::clamp(dot / norms, -1.0, 1.0);
}

Difference difference(const Tensor& reference, const Tensor& candidate) {
  if (reference.dtype() != candidate.dtype() || reference.dims() != candidate.dims()) {
    throw Error(ErrorCode::kInvalidArgument,
                "is " + describe(candidate) + "; the reference's is " + describe(reference));
  }
  if (reference.dtype() == DType::kFloat32) {
    return difference_of(reference.values<float>(), candidate.values<float>());
  }
  if (reference.dtype() == DType::kFloat64) {
    return difference_of(reference.values<double>(), candidate.values<double>());
  }
  if (is_integer(reference.dtype())) {
    const auto a = reference.to_ints();
    const auto b = candidate.to_ints();
    return difference_of<std::int64_t>(a, b);
  }
  const auto a = reference.to_floats();
  const auto b = candidate.to_floats();
  return difference_of<float>(a, b);
}

double decibels(double signal_energy, double noise_energy) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (noise_energy == 0.0) return kInfinity;
  if (signal_energy == 0.0) return -kInfinity;
  return 10.0 * std::log10(signal_energy / noise_energy);
}

bool has_classes(std::span<const std::int64_t> dims) {
  return dims.size() >= 2 && dims[0] > 0 && dims[1] >= 2 &&
         std::all_of(dims.begin() + 2, dims.end(), [](std::int64_t dim) { return dim == 1; });
}

ClassScores class_scores(const Tensor& output) {
  return {.classes = static_cast<std::size_t>(output.dims()[1]), .scores = output.to_floats()};
}

std::vector<std::int64_t> top_classes(std::span<const float> scores, std::size_t k) {
  std::vector<std::int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(k, order.size()));
  std::partial_sort(order.begin(), end, order.end(), [&](std::int64_t a, std::int64_t b) {
    const float left = scores[static_cast<std::size_t>(a)];
    const float right = scores[static_cast<std::size_t>(b)];
    return left != right ? left > right : a < b;
  });
  order.erase(end, order.end());
  return order;
}

double overlap(std::span<const std::int64_t> a, std::span<const std::int64_t> b) {
  if (a.empty()) return 1.0;
  const auto shared = std::count_if(a.begin(), a.end(), [&](std::int64_t value) {
    return std::find(b.begin(), b.end(), value) != b.end();
  });
  return static_cast<double>(shared) / static_cast<double>(a.size());
}

std::vector<double> class_probabilities(std::span<const float> scores) {
  // A sum of float32 probabilities is off by less than a thousandth for any number of classes that
  // a model has.
  constexpr double kSumTolerance = 1e-3;
  std::vector<double> result(scores.begin(), scores.end());
  if (result.empty()) return result;
  const bool any_negative = std::ranges::any_of(result, [](double p) { return p < 0.0; });
  const double sum = std::accumulate(result.begin(), result.end(), 0.0);
  if (!any_negative && std::abs(sum - 1.0) <= kSumTolerance) {
    for (double& p : result) p /= sum;
    return result;
  }
  const double greatest = *std::ranges::max_element(result);
  double total = 0.0;
  for (double& p : result) {
    p = std::exp(p - greatest);
    total += p;
  }
  for (double& p : result) p /= total;
  return result;
}

double kl_divergence(std::span<const double> p, std::span<const double> q) {
  constexpr double kLeast = std::numeric_limits<float>::min();
  double sum = 0.0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (p[i] > 0.0) sum += p[i] * std::log(p[i] / std::max(q[i], kLeast));
  }
  // Rounding may leave a tiny negative sum of equal distributions.
  return std::max(sum, 0.0);
}

}  // namespace planish
