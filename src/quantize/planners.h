// The three planners behind plan_quantization().
#pragma once

#include "planish/quantize/plan.h"
#include "quantize/graph_facts.h"
#include "quantize/ranges.h"

namespace planish::quantize_detail {

/// What a planner works on. `decisions` come from selection.h; `ranges` are adjusted.
struct PlanInput {
  const Model& model;
  const GraphFacts& facts;
  const QuantizationConfig& config;
  const Ranges& ranges;
  std::vector<NodeDecision> decisions = {};

  [[nodiscard]] bool is_parity() const {
    return config.profile == QuantizationProfile::kOnnxRuntime132;
  }
};

QuantizationPlan plan_qdq(PlanInput input);
QuantizationPlan plan_qoperator(PlanInput input);
QuantizationPlan plan_dynamic(PlanInput input);

/// The rewriters behind apply().
Model apply_qdq(const QuantizationPlan& plan, const Model& model);
Model apply_qoperator(const QuantizationPlan& plan, const Model& model);
Model apply_dynamic(const QuantizationPlan& plan, const Model& model);

}  // namespace planish::quantize_detail
