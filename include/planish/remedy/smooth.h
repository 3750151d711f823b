// SmoothQuant: a few channels of an activation that are far wider than the others take its one
// scale for themselves. Factors per channel, divided out of the activation and multiplied into the
// weights that read it, share the difficulty between both; the float model computes the same.
//
// Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language
// Models" (2022), with the strength chosen for each activation by the noise that is predicted.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/graph/model.h"
#include "planish/quantize/config.h"
#include "planish/remedy/channel_statistics.h"

namespace planish {

/// What a Mul has to win of the predicted noise to be worth its time.
constexpr double kGainWorthAMul = 0.3;

struct SmoothConfig {
  /// An activation is left as it is unless its predicted noise falls by this share.
  double min_gain = 0.05;
  /// Factors are folded into the LayerNormalization or the constant Mul before. Where something
  /// else reads that value too (the residual of a post-norm transformer), or nothing linear makes
  /// it (Gelu), they need a Mul of their own; it is added where noise falls by this share
  /// (kGainWorthAMul). Nothing: none is added.
  std::optional<double> min_gain_of_mul = {};
  /// No channel's factor is further than this from another's.
  double max_ratio = 4096.0;
};

/// What became of one activation.
struct SmoothedInput {
  std::string value = {};
  std::size_t channels = 0;
  double strength = 0.0;      // alpha: 0 all difficulty stays in the activation, 1 all goes into
                              // the weights
  double noise_before = 0.0;  // predicted power of the quantization noise at the outputs of the
  double noise_after = 0.0;   // layers that read it, relative to their outputs' power
  bool has_mul = false;       // a Mul was added in front of the layers
  std::string left_because = {};  // "" when it was smoothed
};

struct SmoothReport {
  std::vector<SmoothedInput> inputs = {};
  /// How many of them were not left as they were, and in front of how many there is a Mul.
  [[nodiscard]] std::size_t smoothed() const;
  [[nodiscard]] std::size_t muls_added() const;
};

struct Smoothed {
  Model model = {};
  SmoothReport report = {};
};

/// The values whose statistics smooth() needs.
std::vector<ChannelsOfValue> smoothing_targets(const Model& model, const SmoothConfig& config = {});

/// s = max|x|^alpha / max|w|^(1 - alpha) by channel, alpha from 0 to 1 in tenths such that the
/// predicted noise is least. Of inputs of Gemm and MatMul that no equalize() can reach.
///
/// `statistics` are of smoothing_targets(model, config), in that order, on calibration data. Ranges
/// that were calibrated before do not hold afterwards.
/// @throws Error(kInvalidArgument) when `statistics` are of other values.
Smoothed smooth(const Model& model, std::span<const ChannelStatistics> statistics,
                const QuantizationConfig& quantization, const SmoothConfig& config = {});

Json to_json(const SmoothReport& report);

}  // namespace planish
