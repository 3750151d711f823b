// The three planners behind plan_quantization().
#pragma once

#include "planish/quantize/plan.h"
#include "quantize/gemm_split.h"
#include "quantize/graph_facts.h"
#include "quantize/hard_sigmoid.h"
#include "quantize/ranges.h"

namespace planish::quantize_detail {

/// What a planner works on. `decisions` come from selection.h; `ranges` are adjusted.
struct PlanInput {
  const Model& model;
  const GraphFacts& facts;
  const QuantizationConfig& config;
  const Ranges& ranges;
  std::vector<NodeDecision> decisions = {};
  GivenParamsMap given = {};  // profile best, static: parameters that other operators ask for

  [[nodiscard]] bool is_parity() const {
    return config.profile == QuantizationProfile::kOnnxRuntime132;
  }
  /// The tensor whose integers, clamped or not, `tensor` is given; null when it has its own.
  [[nodiscard]] const std::string* source_of(const std::string& tensor) const;
  /// The plan of activation `tensor`: given parameters, else those of its range.
  /// @throws Error(kInvalidArgument) when there is neither.
  [[nodiscard]] TensorPlan activation(const std::string& tensor, DType scale_dtype) const;
};

/// plan_quantization() of a model whose configuration, opset and types were looked at.
QuantizationPlan plan_graph(const Model& model, const CalibrationTable& table,
                            const QuantizationConfig& config);

QuantizationPlan plan_qdq(PlanInput input);
QuantizationPlan plan_qoperator(PlanInput input);
QuantizationPlan plan_dynamic(PlanInput input);

/// The rewriters behind apply().
Model apply_qdq(const QuantizationPlan& plan, const Model& model);
Model apply_qoperator(const QuantizationPlan& plan, const Model& model);
Model apply_dynamic(const QuantizationPlan& plan, const Model& model);

/// The model whose nodes and constants a dynamic plan's tensors are of: Gemms of its nodes split.
/// @throws Error(kInvalidArgument) when the plan's nodes are not the model's.
SplitModel split_for(const QuantizationPlan& plan, const Model& model);

}  // namespace planish::quantize_detail
