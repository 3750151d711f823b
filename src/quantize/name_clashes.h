// Models that already have the names which quantization gives.
#pragma once

#include "planish/quantize/plan.h"

namespace planish::quantize_detail {

/// Whether `graph` has a name that quantization may derive from another of its names, such as both
/// "image" and "image_scale".
bool may_clash(const Graph& graph);

using Apply = Model (*)(const QuantizationPlan&, const Model&);

/// apply(plan, model), where all that the model has keeps its name, and what is new is numbered
/// where its name is taken.
Model apply_without_clashes(const QuantizationPlan& plan, const Model& model, Apply apply);

}  // namespace planish::quantize_detail
