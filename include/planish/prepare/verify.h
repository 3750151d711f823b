// Whether two models compute the same, by running both.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "planish/graph/model.h"
#include "planish/runtime/session.h"

namespace planish {

struct VerifyConfig {
  std::uint64_t seed = 1;
  // Inputs to compare on, one list per run. Empty: random ones, made to the signature (symbolic
  // dimensions small, batches of 2 and 1).
  std::vector<std::vector<NamedTensor>> examples = {};
  int threads = 1;
};

/// Nothing was compared when there is no error: then the reason says why not.
struct Verification {
  std::optional<double> max_relative_error = {};
  std::string not_verified_because = {};
};

/// The outputs of a model on inputs that it accepts: what others are compared with.
struct Reference {
  std::vector<std::vector<NamedTensor>> inputs = {};
  std::vector<std::vector<Tensor>> outputs = {};  // one list per run
  // Relative error of the outputs of the first run when every float of its inputs moves by half a
  // unit in the last place: what rounding does to this model.
  double rounding_effect = 0;
  std::string unusable_because = {};  // then both are empty
};

/// Runs `model`, node by node as it stands, on the examples or on random inputs. Unusable when it
/// accepts none of them, or answers the same input differently each time.
/// @throws Error(kUnavailable) when ONNX Runtime cannot be used.
Reference reference_of(const Model& model, const VerifyConfig& config = {});

/// `tolerance`, a relative error, or more for a model whose answers hang on rounding: it cannot be
/// held to less than what rounding does to it. 0 stays 0.
///
/// Rounding in each of L layers adds up to about sqrt(L) times what it does at the input; L = 64,
/// and twice that is allowed: 16 * rounding_effect.
double allowed_error(double tolerance, double rounding_effect);

/// Outputs of `model`, run node by node as it stands: one list per run.
/// @throws Error as open_session and Session::run.
std::vector<std::vector<Tensor>> outputs_on(const Model& model,
                                            std::span<const std::vector<NamedTensor>> inputs,
                                            int threads = 1);

/// Largest |actual - expected| / max|expected| over the elements of a tensor; |actual - expected|
/// where all that is expected is 0. NaN equals NaN, an infinity itself. Infinite when types or
/// shapes differ, or elements of other than float types do.
double relative_error(const Tensor& actual, const Tensor& expected);

/// The largest of those of all outputs of all runs; infinite when their numbers differ.
double relative_error(std::span<const std::vector<Tensor>> actual,
                      std::span<const std::vector<Tensor>> expected);

/// The same of what `model` answers to the inputs of `reference`; infinite when it cannot be run.
/// @throws Error(kUnavailable) when ONNX Runtime cannot be used.
double relative_error(const Model& model, const Reference& reference, int threads = 1);

/// Runs both models on the same inputs. Infinite error: `after` cannot be run on what `before` can.
/// @throws Error(kUnavailable) when ONNX Runtime cannot be used.
Verification verify_equivalent(const Model& before, const Model& after,
                               const VerifyConfig& config = {});

}  // namespace planish
