// Mixed precision in `auto`: what the search starts from, and what its models are called.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "planish/pipeline/auto.h"
#include "planish/quantize/plan.h"
#include "planish/sensitivity/sensitivity.h"

namespace planish::pipeline {

/// The same plan in a format whose values have names, for analyze_sensitivity.
QuantizationPlan in_named_format(const QuantizationPlan& plan, const Model& model,
                                 const CalibrationTable& table);

/// The analysis that the search starts from, of a search whose evaluation takes so many runs.
SensitivityConfig analysis_within(double evaluation_runs);

/// What the search costs after an analysis of `analysis_runs`: as many trials, each on `samples`
/// samples, as are left of MixedSearchCost::kMostEvaluations.
MixedSearchCost search_cost_of(double evaluation_runs, double analysis_runs, std::size_t samples);

/// Says in `report` why the nodes of the layers `kept` are in FP32.
void explain_kept(CandidateReport& report, const SensitivityReport& sensitivity,
                  std::span<const std::size_t> kept, const Graph& graph);

}  // namespace planish::pipeline
