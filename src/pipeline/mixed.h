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

/// An analysis of no more than `evaluations` runs of the FP32 model over `samples` samples.
SensitivityConfig analysis_within(double evaluations, std::size_t samples);

/// Says in `report` why the nodes of the layers `kept` are in FP32.
void explain_kept(CandidateReport& report, const SensitivityReport& sensitivity,
                  std::span<const std::size_t> kept, const Graph& graph);

}  // namespace planish::pipeline
