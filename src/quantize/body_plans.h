// Quantization inside the bodies of If, Loop and Scan (profile best).
#pragma once

#include <set>
#include <string>

#include "planish/quantize/plan.h"

namespace planish::quantize_detail {

/// Adds the plans of `model`'s bodies to `plan`, that of the nodes around them.
void plan_bodies(const Model& model, const CalibrationTable& table,
                 const QuantizationConfig& config, QuantizationPlan& plan);

/// `model` with its bodies quantized as `plan` says; the nodes around them are as before.
Model apply_to_bodies(const QuantizationPlan& plan, Model model);

/// Adds what calibration_targets says of each body.
void add_body_targets(const Model& model, const QuantizationConfig& config,
                      std::set<std::string>& targets);

/// Without the overrides of tensors that only bodies of `graph` have.
QuantizationConfig without_overrides_of_bodies(const QuantizationConfig& config,
                                               const Graph& graph);

}  // namespace planish::quantize_detail
