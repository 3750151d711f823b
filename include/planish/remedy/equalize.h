// Cross-layer equalization: channels of very different ranges share one scale of a quantized
// activation, so the narrow ones lose their bits. Factors per channel, moved from the layers before
// into the layers behind, make them alike; the float model computes the same.
//
// Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (2019),
// with the ranges of activations, as observed, beside those of weights.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/graph/model.h"
#include "planish/optimize/tied_channels.h"
#include "planish/quantize/config.h"
#include "planish/remedy/channel_statistics.h"

namespace planish {

struct EqualizeConfig {
  /// A set of channels is left as it is unless its predicted noise falls by this share: factors
  /// that gain nothing only move the model away from what its owner knows.
  double min_gain = 0.05;
  /// No channel's factor is further than this from another's: what lies below is noise.
  double max_ratio = 4096.0;
  /// Sets are looked at so often, since the factors of one change what is best for its neighbours.
  std::size_t rounds = 2;
};

/// What became of one set of tied channels.
struct EqualizedSet {
  std::string value = {};  // the first value of the set
  std::size_t channels = 0;
  double noise_before = 0.0;  // predicted power of the quantization noise at the outputs of the
  double noise_after = 0.0;   // layers behind, relative to their outputs' power
  double least_factor = 1.0;
  double greatest_factor = 1.0;
  std::string left_because = {};  // "" when it was equalized
};

struct EqualizeReport {
  std::vector<EqualizedSet> sets = {};
  /// How many of them were not left as they were.
  [[nodiscard]] std::size_t equalized() const;
};

struct Equalized {
  Model model = {};
  EqualizeReport report = {};
};

/// The values whose statistics equalize() needs: those of all sets of tied channels.
std::vector<ChannelsOfValue> equalization_targets(const Model& model);

/// Chooses factors for every set whose values are made by Conv, Gemm and MatMul, and moves them.
///
/// s = range^a / weight^(1 - a) by channel (range: of the activations, weight: of the columns of
/// the layers behind), a from 0 to 1 such that the predicted noise is least. With one scale per
/// weight, the rows of the layers before count, too. Under a Clip, channels that reach a bound on
/// `statistics` keep factor 1, and no factor lets another reach it.
///
/// `statistics` are of equalization_targets(model), in that order, on calibration data. Ranges that
/// were calibrated before do not hold afterwards.
/// @throws Error(kInvalidArgument) when `statistics` are of other values.
Equalized equalize(const Model& model, std::span<const ChannelStatistics> statistics,
                   const QuantizationConfig& quantization, const EqualizeConfig& config = {});

Json to_json(const EqualizeReport& report);

}  // namespace planish
