// The layers of a model whose precision is chosen, and plans that keep some of them in FP32.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "planish/graph/model.h"
#include "planish/quantize/calibration_table.h"
#include "planish/quantize/plan.h"

namespace planish {

/// What is quantized as a whole: an operator with a weight, and the quantized nodes behind it up to
/// the next such operator (activations, additions, pools). A node that several operators feed goes
/// with the last of them.
struct PrecisionLayer {
  std::string name = {};                // of the operator with the weight, as --exclude takes it
  std::string op_type = {};             // of it
  std::vector<std::size_t> nodes = {};  // in model order, the operator first
  friend bool operator==(const PrecisionLayer&, const PrecisionLayer&) = default;
};

/// The layers that `plan` quantizes, in model order. Each quantized node is in one of them at most:
/// nodes whose name is empty or not their own cannot be chosen by name and are in none.
/// @throws Error(kInvalidArgument) when the plan was made for another model.
std::vector<PrecisionLayer> precision_layers(const QuantizationPlan& plan, const Model& model);

/// Names of all nodes of `layers[i]` for i in `chosen`: what QuantizationConfig::exclude_nodes and
/// include_nodes take.
std::vector<std::string> nodes_of(std::span<const PrecisionLayer> layers,
                                  std::span<const std::size_t> chosen, const Model& model);

/// `full` without the nodes named `kept`, which stay FP32. Scales and integers of weights and
/// corrected constants (planish/remedy) of the layers that stay quantized are those of `full`.
/// @throws Error as plan_quantization.
QuantizationPlan plan_without(const QuantizationPlan& full, const Model& model,
                              const CalibrationTable& table, std::span<const std::string> kept);

/// The same with none but the nodes named `only` quantized.
QuantizationPlan plan_only(const QuantizationPlan& full, const Model& model,
                           const CalibrationTable& table, std::span<const std::string> only);

}  // namespace planish
