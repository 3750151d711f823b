// Bias correction: rounded weights and activations shift the mean of a layer's output; what they
// shift it by is taken from its bias.
//
// Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (2019),
// section 4.2, with the means of the activations as observed.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/graph/model.h"
#include "planish/quantize/plan.h"
#include "planish/remedy/layer_statistics.h"

namespace planish {

/// The shift of one layer's bias.
struct CorrectedBias {
  std::string node = {};
  double largest_shift = 0.0;  // |new - old| over the output channels
};

struct BiasCorrectionReport {
  std::vector<CorrectedBias> layers = {};
  std::vector<std::string> without_bias =
      {};  // nodes that have no constant of their own to correct
};

/// `model` with a bias for every Conv and Gemm (zeros where there was none), and no bias constant
/// that two nodes read, so that each can be corrected. The same function; convolutions take a bias
/// for free. Plan after this.
Model with_own_biases(const Model& model);

/// Corrects the biases of all layers that `plan` quantizes, on plan.corrected: with E the mean over
/// all rows of all samples, per output channel,
///
///   bias += E[W x] - E[W' x']        W', x': what the integers of weight and input stand for
///
/// so that on these samples the mean of the layer's output, given the float model's input, is that
/// of the float model, to half a step of the int32 bias.
///
/// `statistics` are of layers_to_observe(plan, model), in that order.
/// @throws Error(kInvalidArgument) when they are of other layers.
BiasCorrectionReport correct_biases(QuantizationPlan& plan, const Model& model,
                                    std::span<const LayerStatistics> statistics);

Json to_json(const BiasCorrectionReport& report);

}  // namespace planish
