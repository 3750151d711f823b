#include "planish/prepare/verify.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <utility>

#include "planish/base/error.h"
#include "planish/optimize/passes.h"
#include "planish/prepare/random_inputs.h"

namespace planish {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Sizes to try for open axes other than the first: multiples of 32 for images, less for sequences.
constexpr std::int64_t kSizes[] = {64, 224, 32, 16, 8, 1};

std::unique_ptr<Session> open_plain(const Model& model, int threads) {
  return open_session(model, SessionConfig{.threads = threads,
                                           .optimization = GraphOptimization::kNone,
                                           .memory_pattern = false,
                                           .entries = {{"session.disable_prepacking", "1"}}});
}

/// Adds a run of `inputs` when the model accepts them; else keeps its first complaint.
void try_run(Session& session, const std::vector<NamedTensor>& inputs, Reference& reference) {
  try {
    std::vector<Tensor> outputs = session.run(inputs);
    reference.inputs.push_back(inputs);
    reference.outputs.push_back(std::move(outputs));
  } catch (const Error& error) {
    if (reference.unusable_because.empty()) reference.unusable_because = error.message();
  }
}

/// Adds runs on random inputs of one size of the open axes, with batches of 2 and of 1.
void run_random(Session& session, std::int64_t size, IntegerFill fill, std::uint64_t seed,
                Reference& reference) {
  const bool any_batch = openness_of(session.signature()).batch;
  try {
    for (const std::int64_t batch : {2, 1}) {
      const auto inputs = random_inputs(session.signature(), OpenDims{batch, size}, fill, seed);
      if (!inputs) throw Error(ErrorCode::kUnsupported, "an input has a type that is not drawn");
      try_run(session, *inputs, reference);
      if (!any_batch) break;
    }
  } catch (const Error& error) {
    if (reference.unusable_because.empty()) reference.unusable_because = error.message();
  }
}

void run_random(Session& session, std::uint64_t seed, Reference& reference) {
  const bool any_size = openness_of(session.signature()).others;
  for (const IntegerFill fill : {IntegerFill::kZeroOrOne, IntegerFill::kOne}) {
    for (const std::int64_t size : kSizes) {
      run_random(session, size, fill, seed, reference);
      if (!reference.outputs.empty()) return;
      if (!any_size) break;
    }
  }
}

/// Every other float towards 0, the others away from it, by half a unit in the last place.
Tensor moved_by_rounding(const Tensor& tensor) {
  if (tensor.dtype() != DType::kFloat32) return tensor;
  const auto values = tensor.values<float>();
  std::vector<float> moved(values.begin(), values.end());
  for (std::size_t i = 0; i < moved.size(); ++i) {
    const double factor = i % 2 == 0 ? 1 + kFloatRounding : 1 - kFloatRounding;
    moved[i] = static_cast<float>(moved[i] * factor);
  }
  return Tensor::of(tensor.dims(), moved);
}

double rounding_effect_on(Session& session, const Reference& reference) {
  std::vector<NamedTensor> inputs = reference.inputs.front();
  for (NamedTensor& input : inputs) input.value = moved_by_rounding(input.value);
  const std::vector<Tensor> outputs = session.run(inputs);
  double largest = 0;
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    const double error = relative_error(outputs[k], reference.outputs.front()[k]);
    if (std::isfinite(error)) largest = std::max(largest, error);
  }
  return largest;
}

bool answers_alike(Session& session, const Reference& reference) {
  return session.run(reference.inputs.front()) == reference.outputs.front();
}

template <typename T>
double float_error(std::span<const T> actual, std::span<const T> expected) {
  double largest = 0;
  double scale = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double a = actual[i];
    const double e = expected[i];
    if (std::isfinite(a) && std::isfinite(e)) {
      largest = std::max(largest, std::abs(a - e));
      scale = std::max(scale, std::abs(e));
    } else if (a != e && !(std::isnan(a) && std::isnan(e))) {
      return kInfinity;
    }
  }
  return scale > 0 ? largest / scale : largest;
}

}  // namespace

double relative_error(const Tensor& actual, const Tensor& expected) {
  if (actual.dtype() != expected.dtype() || actual.dims() != expected.dims()) return kInfinity;
  switch (expected.dtype()) {
    case DType::kFloat32:
      return float_error(actual.values<float>(), expected.values<float>());
    case DType::kFloat64:
      return float_error(actual.values<double>(), expected.values<double>());
    case DType::kFloat16:
    case DType::kBFloat16: {
      const std::vector<float> a = actual.to_floats();
      const std::vector<float> e = expected.to_floats();
      return float_error(std::span<const float>(a), std::span<const float>(e));
    }
    default:
      return actual == expected ? 0 : kInfinity;
  }
}

Reference reference_of(const Model& model, const VerifyConfig& config) {
  Reference reference;
  try {
    const auto session = open_plain(model, config.threads);
    for (const auto& example : config.examples) try_run(*session, example, reference);
    if (config.examples.empty()) run_random(*session, config.seed, reference);
    if (!reference.outputs.empty()) {
      reference.unusable_because.clear();
      if (!answers_alike(*session, reference)) {
        return Reference{.unusable_because = "the model answers the same input differently"};
      }
      reference.rounding_effect = rounding_effect_on(*session, reference);
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kUnavailable) throw;
    return Reference{.unusable_because = error.message()};
  }
  return reference;
}

double allowed_error(double tolerance, double rounding_effect) {
  constexpr double kLayers = 16;  // 2 * sqrt(64)
  return tolerance > 0 ? std::max(tolerance, kLayers * rounding_effect) : 0;
}

std::vector<std::vector<Tensor>> outputs_on(const Model& model,
                                            std::span<const std::vector<NamedTensor>> inputs,
                                            int threads) {
  const auto session = open_plain(model, threads);
  std::vector<std::vector<Tensor>> outputs;
  for (const auto& input : inputs) outputs.push_back(session->run(input));
  return outputs;
}

double relative_error(std::span<const std::vector<Tensor>> actual,
                      std::span<const std::vector<Tensor>> expected) {
  if (actual.size() != expected.size()) return kInfinity;
  double largest = 0;
  for (std::size_t run = 0; run < actual.size(); ++run) {
    if (actual[run].size() != expected[run].size()) return kInfinity;
    for (std::size_t k = 0; k < actual[run].size(); ++k) {
      largest = std::max(largest, relative_error(actual[run][k], expected[run][k]));
    }
  }
  return largest;
}

double relative_error(const Model& model, const Reference& reference, int threads) {
  try {
    return relative_error(outputs_on(model, reference.inputs, threads), reference.outputs);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kUnavailable) throw;
    return kInfinity;
  }
}

Verification verify_equivalent(const Model& before, const Model& after,
                               const VerifyConfig& config) {
  const Reference reference = reference_of(before, config);
  if (!reference.unusable_because.empty()) {
    return Verification{.not_verified_because = reference.unusable_because};
  }
  return Verification{.max_relative_error = relative_error(after, reference, config.threads)};
}

}  // namespace planish
