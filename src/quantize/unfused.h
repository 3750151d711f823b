// Which nodes of a plan ONNX Runtime would run in float, between Q/DQ nodes that cost time.
#pragma once

#include <map>
#include <string>

#include "planish/quantize/fusion.h"
#include "planish/quantize/plan.h"

namespace planish::quantize_detail {

/// Whether the choices of `config` leave it to planish where pairs stand, so that one that is not
/// fused is a mistake: not for training, accelerators, 16 bits, or nodes that are asked for by
/// name.
bool expects_fusion(const QuantizationConfig& config);

/// The nodes that `plan` quantizes and of which `quantized`, the model that it makes, is forecast
/// to keep the Q/DQ nodes: by name, with what keeps them. Nodes without a name of their own, and
/// those that move or cut elements, are not looked at.
std::map<std::string, FusionObstacle> unfused_nodes(const QuantizationPlan& plan,
                                                    const Model& quantized);

}  // namespace planish::quantize_detail
