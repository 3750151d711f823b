// What a user can choose about quantization.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/graph/dtype.h"
#include "planish/quantize/target.h"
#include "planish/quantize/tensor_overrides.h"

namespace planish {

enum class QuantizationMode {
  kStatic,   // activation ranges from calibration; fastest, for networks of convolutions
  kDynamic,  // activation ranges measured at run time; no data needed, for MatMul-heavy networks
};

enum class QuantizationFormat {
  kQdq,        // QuantizeLinear/DequantizeLinear around float operators; the runtime fuses them
  kQOperator,  // QLinearConv, QLinearMatMul, … written out
};

enum class Granularity {
  kPerTensor,   // one scale for all of a weight
  kPerChannel,  // one scale per output channel: far more accurate for convolutions, as fast
};

enum class QuantizationProfile {
  kBest,            // what is proven faster or more accurate on CPUs than the profile below
  kOnnxRuntime132,  // node for node what the onnxruntime 1.32 Python quantizer writes
};

std::string_view name_of(QuantizationMode mode);        // "static", "dynamic"
std::string_view name_of(QuantizationFormat format);    // "qdq", "qoperator"
std::string_view name_of(Granularity granularity);      // "per-tensor", "per-channel"
std::string_view name_of(QuantizationProfile profile);  // "best", "onnxruntime-1.32"
std::optional<QuantizationMode> quantization_mode_from(std::string_view name);
std::optional<QuantizationFormat> quantization_format_from(std::string_view name);
std::optional<QuantizationProfile> quantization_profile_from(std::string_view name);
/// "u8", "s8", "u16", "s16".
std::optional<DType> quantized_dtype_from(std::string_view name);
std::string short_name_of(DType quantized);

/// Every option and its default. Names in brackets: the same option of onnxruntime.quantization.
struct QuantizationConfig {
  QuantizationMode mode = QuantizationMode::kStatic;
  QuantizationFormat format = QuantizationFormat::kQdq;  // kQOperator for runtimes without fusion
  QuantizationProfile profile = QuantizationProfile::kBest;
  /// The CPU that will run the model. Profile best refuses activations that have no kernels there,
  /// and raises the scale of weight channels whose sums could saturate there (docs/targets.md).
  Target target = Target::kAvx2;  // right on every CPU; target_of_isa() of the one that will serve
  DType activation = DType::kUInt8;  // kInt8 for Arm. 16 bits: QDQ, opset >= 21 only
  DType weight = DType::kInt8;       // kUInt8 loses about half a bit; for runtimes that want it
  Granularity weights = Granularity::kPerChannel;
  /// All weights on half of the integers [reduce_range]: the blunt way to what `target` does
  /// channel by channel; for runtimes whose order of products is another.
  bool reduce_range = false;
  /// Activation ranges symmetric about 0 [ActivationSymmetric]: for kernels without zero points.
  /// Costs a bit of resolution after ReLU, and keeps Relu and Clip nodes in the graph.
  bool symmetric_activations = false;
  /// [WeightSymmetric] Nothing: symmetric for signed weights, asymmetric for unsigned ones.
  std::optional<bool> symmetric_weights = {};
  /// [ActivationRestrictedAsymmetric] U8 zero points are 0 or 128 only: for some accelerators.
  bool restricted_zero_points = false;
  /// [MinimumRealRange] Every range is at least this wide: for accelerators that refuse tiny ones.
  std::optional<double> min_real_range = {};

  /// Operator types to quantize; empty: all that the rules of op_rules.h name.
  std::vector<std::string> op_types = {};
  /// Names of nodes that stay float, whatever their type.
  std::vector<std::string> exclude_nodes = {};
  /// Names of the only nodes to quantize; empty: all.
  std::vector<std::string> include_nodes = {};

  /// [EnableSubgraph] Quantize in the bodies of If, Loop and Scan too. Nothing: the profile's
  /// default (the best profile: true; onnxruntime-1.32: false, and true only in dynamic mode).
  std::optional<bool> bodies = {};
  /// [MatMulConstBOnly] Leave MatMul of two activations float. Nothing: the profile's default (the
  /// best profile: true; onnxruntime-1.32: true in dynamic mode). QDQ of that profile ignores it.
  std::optional<bool> matmul_const_b_only = {};
  /// [ForceQuantizeNoInputCheck] Quantize operators that only move data even when nothing before
  /// them is quantized: for accelerators that must run the whole graph in integers.
  bool force_data_movement = false;
  /// [AddQDQPairToWeight] Keep float weights and put Q and DQ behind them: for further training.
  bool qdq_pair_on_weights = false;
  /// [DedicatedQDQPair] One Q/DQ pair per reader instead of a shared one: for TensorRT.
  bool dedicated_qdq_pairs = false;
  /// [QDQKeepRemovableActivations] Keep Relu and Clip though the output range implies them.
  bool keep_removable_activations = false;
  /// [QuantizeBias] False leaves biases float in QDQ: for further training.
  bool quantize_bias = true;
  /// [QDQDisableWeightAdjustForInt32Bias] False clips a bias that its scale cannot hold.
  bool adjust_weights_for_bias = true;
  /// [OpTypesToExcludeOutputQuantization] QDQ: no Q/DQ behind operators of these types.
  std::vector<std::string> exclude_output_types = {};
  /// [QDQOpTypePerChannelSupportToAxis] Axis of the per-channel scales by operator type, for MatMul
  /// and the normalizations (others know theirs).
  std::map<std::string, std::int64_t> channel_axes = {};
  /// [UseQDQContribOps] Q and DQ of domain com.microsoft: 16 bits below opset 21.
  bool contrib_qdq = false;
  /// [extra.Sigmoid.nnapi] QOperator: outputs of Sigmoid are multiples of 1/256, zero point 0.
  bool nnapi_sigmoid = false;
  /// [TensorQuantOverrides] Parameters of single tensors, in place of the computed ones.
  TensorOverrides tensor_overrides = {};

  friend bool operator==(const QuantizationConfig&, const QuantizationConfig&) = default;
};

/// @throws Error(kInvalidArgument) on choices that exclude each other, saying which and why:
///   S8 activations with U8 weights; 16 bits outside QDQ; dynamic with S8 activations; a node both
///   included and excluded; under profile best, S8 activations on a target without kernels for
///   them, and asymmetric S8 weights where U8S8 kernels saturate.
void validate(const QuantizationConfig& config);

/// All fields that differ from nothing: what a report or a plan shows.
Json to_json(const QuantizationConfig& config);

}  // namespace planish
