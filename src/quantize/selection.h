// Which nodes a plan takes up, before any tensor is looked at.
#pragma once

#include <string>
#include <vector>

#include "planish/quantize/op_rules.h"
#include "planish/quantize/plan.h"
#include "quantize/graph_facts.h"
#include "quantize/ranges.h"

namespace planish::quantize_detail {

/// A sentence for a reason, `detail` being the name it is about (may be empty).
std::string explain(LeaveReason reason, const std::string& detail = {});

/// `decision` left for `reason`.
void leave(NodeDecision& decision, LeaveReason reason, const std::string& detail = {});

/// One decision per node of `graph`: kQuantize where the user's lists admit it, else left. This is
/// all that profile onnxruntime-1.32 asks before it looks at tensors.
std::vector<NodeDecision> admitted_nodes(const Graph& graph, const QuantizationConfig& config);

/// Profile best, static: of the admitted nodes those that pay on a CPU (BestUse in op_rules.h):
///  1. matrix operators with constant weights;
///  2. forward, until nothing changes: operators with an integer kernel that integers reach;
///  3. backward, until nothing changes: operators that only move or look up elements are given back
///     where no integer kernel reads them, and any but those of 1 where the conversions around it
///     cost more than its integers save (conversion_costs.h).
/// `ranges`: null takes every range as known (to find out which will be needed).
void select_best_static(const Model& model, const GraphFacts& facts,
                        const QuantizationConfig& config, const Ranges* ranges,
                        std::vector<NodeDecision>& decisions);

/// Flags of the nodes that are not left.
std::vector<bool> taken(const std::vector<NodeDecision>& decisions);

/// Whether `node` is a Transpose of an output of the model. Profile best quantizes before it rather
/// than behind it: there ONNX Runtime would move the QuantizeLinear to before it, and hand out what
/// it quantized.
bool turns_graph_output(const Node& node, const GraphFacts& facts);

/// Whether dropping `clamp` (Relu, Clip) is exact when its input is quantized over the range of its
/// output: Relu always, Clip when 0 lies within its constant bounds.
bool range_implies_clamp(const Node& clamp, const GraphFacts& facts);

}  // namespace planish::quantize_detail
