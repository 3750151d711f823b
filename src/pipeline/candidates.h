// Which models `auto` makes and measures.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "planish/inspect/inspect.h"
#include "planish/pipeline/auto.h"
#include "planish/quantize/config.h"
#include "planish/remedy/remedies.h"

namespace planish::pipeline {

/// One way to INT8.
struct CandidateSpec {
  std::string name = {};
  Method method = Method::kStatic;
  QuantizationConfig config = {};
  RemedyConfig remedies = {};
  std::string remedied_from = {};  // the name of the way without them; "" when there are none
};

/// The ways worth measuring for the prepared `graph` on `target`, the most promising first.
std::vector<CandidateSpec> candidate_specs(const InspectReport& inspection, Target target,
                                           const Graph& graph);

/// `spec` with adaptive rounding and bias correction, and the same after equalization or smoothing.
CandidateSpec remedied(const CandidateSpec& spec);
CandidateSpec equalized(const CandidateSpec& spec);
CandidateSpec smoothed(const CandidateSpec& spec);

/// Whether matrix products, whose inputs smoothing is about, do enough of the work to pay.
bool matrices_matter(const InspectReport& inspection);

/// Bytes of the file, its weights included, as save_model would write it.
std::uint64_t size_of(const Model& model);

/// The names of what `config` asks for, in the order in which it is done.
std::vector<std::string> names_of(const RemedyConfig& config);

}  // namespace planish::pipeline
