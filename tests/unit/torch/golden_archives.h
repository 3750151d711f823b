// The archives of tests/data/torch: small programs that torch.export saved, and what torch
// computes.
#pragma once

#include <string>
#include <vector>

#include "planish/runtime/session.h"

namespace planish::test {

/// Inputs and outputs of one run, in the order of the signature.
struct GoldenRun {
  std::vector<Tensor> inputs = {};
  std::vector<Tensor> outputs = {};
};

struct GoldenCase {
  std::string family = {};
  std::string name = {};     // "conv2d", or "conv2d.core" after run_decompositions()
  std::string archive = {};  // the .pt2
  std::vector<GoldenRun> runs = {};
};

/// All cases of all families, in alphabetical order of families.
const std::vector<GoldenCase>& golden_cases();
/// @throws std::out_of_range when there is none.
const GoldenCase& golden_case(const std::string& name);

}  // namespace planish::test
