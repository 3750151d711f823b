// Small random models that quantization must get right: every operator that the rules know, in
// combinations that no exporter writes but any may.
#pragma once

#include <vector>

#include "planish/graph/model.h"
#include "planish/runtime/session.h"
#include "random_models/choices.h"

namespace planish::test {

struct RandomModel {
  Model model = {};                                    // value types written, as `prepare` does
  std::vector<std::vector<NamedTensor>> samples = {};  // inputs of two runs, of batches 2 and 1
};

/// Names that a random model gives its values.
enum class Naming {
  kPlain,    // "v7", "w3"
  kHostile,  // also those that quantization derives from others: "v7_scale", "w3_quantized"
};

/// A model of one to twelve operators. The first dimension of every input is symbolic; all products
/// sum over at most kMaxProducts elements.
RandomModel random_model(Choices& choices, Naming naming);

inline constexpr std::size_t kMaxProducts = 512;

}  // namespace planish::test
