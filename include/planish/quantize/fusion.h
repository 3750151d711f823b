// Which Q/DQ pairs ONNX Runtime 1.32's CPU provider turns into integer kernels: its rules as one
// table, and a forecast of what it leaves.
//
// No runtime is asked: the passes of ONNX Runtime that matter are followed on a copy of the graph
// (onnxruntime/core/optimizer/qdq_transformer, optimisation level "all"). docs/lint.md tells what
// the forecast is held to.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planish/graph/model.h"

namespace planish {

/// Which inputs of an operator must come from DequantizeLinear.
enum class FusedInputs : std::uint8_t {
  kFirst,     // input 0; the others are indices, shapes, bounds
  kEvery,     // all that are there
  kWeighted,  // all that are there: activation, weight, int32 bias
  kBranches,  // inputs 1 and 2 (Where)
};

/// Which outputs must go to QuantizeLinear, and to nothing else.
enum class FusedOutputs : std::uint8_t {
  kEvery,     // all
  kOptional,  // all, or none: then the kernel writes floats
  kNone,      // does not matter: indices
};

/// What the integer kernel asks of scales and zero points.
enum class FusedParams : std::uint8_t {
  kOwn,           // each tensor has its own
  kShared,        // output and input have the same: the operator runs on the integers as they are
  kSharedOrdered  // and the scale is positive: the operator compares elements
};

/// One operator that ONNX Runtime fuses with the DequantizeLinear before and the QuantizeLinear
/// behind it.
struct FusionRule {
  std::string_view op_type = {};
  std::string_view fused_as = {};  // what replaces it; the operator itself where pairs are dropped
  FusedInputs inputs = FusedInputs::kFirst;
  FusedOutputs outputs = FusedOutputs::kEvery;
  FusedParams params = FusedParams::kOwn;
  bool wide = false;          // also on 16-bit integers
  bool propagates = false;    // ONNX Runtime puts Q/DQ on the other side too where there is one
  bool absorbs_clamp = true;  // a Relu or Clip before the QuantizeLinear goes when it cuts nothing
};

// clang-format off
inline constexpr std::array kFusionRules{
    FusionRule{"Add", "QLinearAdd", FusedInputs::kEvery},
    FusionRule{"ArgMax", "ArgMax", FusedInputs::kFirst, FusedOutputs::kNone, FusedParams::kOwn, false, false, false},
    FusionRule{"AveragePool", "QLinearAveragePool"},
    FusionRule{"Concat", "QLinearConcat", FusedInputs::kEvery},
    FusionRule{"Conv", "QLinearConv", FusedInputs::kWeighted},
    FusionRule{"DepthToSpace", "DepthToSpace", FusedInputs::kFirst, FusedOutputs::kEvery, FusedParams::kShared, false, false, false},
    FusionRule{"Expand", "Expand", FusedInputs::kFirst, FusedOutputs::kEvery, FusedParams::kShared, true, false, false},
    FusionRule{"Flatten", "Flatten", FusedInputs::kFirst, FusedOutputs::kEvery, FusedParams::kShared, true, false, false},
    FusionRule{"Gather", "Gather", FusedInputs::kFirst, FusedOutputs::kEvery, FusedParams::kShared, true, false, false},
    FusionRule{"GatherElements", "GatherElements", FusedInputs::kFirst, FusedOutputs::kEvery, FusedParams::kShared, true, false, false},
    FusionRule{"Gemm", "QGemm", FusedInputs::kWeighted, FusedOutputs::kOptional},
    FusionRule{"GlobalAveragePool", "QLinearGlobalAveragePool"},
    FusionRule{"LeakyRelu", "QLinearLeakyRelu"},
    FusionRule{"MatMul", "QLinearMatMul", FusedInputs::kWeighted, FusedOutputs::kOptional},
    FusionRule{"MaxPool", "MaxPool", FusedInputs::kFirst, FusedOutputs::kEvery, FusedParams::kSharedOrdered, false, true, false},
    FusionRule{"Mul", "QLinearMul", FusedInputs::kEvery},
    FusionRule{"ReduceMax", "ReduceMax", FusedInputs::kFirst, FusedOutputs::kEvery, FusedParams::kSharedOrdered, false, false, false},
    FusionRule{"ReduceMin", "ReduceMin", FusedInputs::kFirst, FusedOutputs::kEvery, FusedParams::kSharedOrdered, false, false, false},
    FusionRule{"Reshape", "Reshape", FusedInputs::kFirst, FusedOutputs::kEvery, FusedParams::kShared, true, true, false},
    FusionRule{"Resize", "Resize", FusedInputs::kFirst, FusedOutputs::kEvery, FusedParams::kShared, false, false, false},
    FusionRule{"Sigmoid", "QLinearSigmoid"},
    FusionRule{"Slice", "Slice", FusedInputs::kFirst, FusedOutputs::kEvery, FusedParams::kShared, true, true, false},
    FusionRule{"Softmax", "QLinearSoftmax"},
    FusionRule{"Split", "Split", FusedInputs::kFirst, FusedOutputs::kEvery, FusedParams::kShared, true, false, false},
    FusionRule{"Squeeze", "Squeeze", FusedInputs::kFirst, FusedOutputs::kEvery, FusedParams::kShared, true, true, false},
    FusionRule{"Tile", "Tile", FusedInputs::kFirst, FusedOutputs::kEvery, FusedParams::kShared, true, false, false},
    FusionRule{"Transpose", "Transpose", FusedInputs::kFirst, FusedOutputs::kEvery, FusedParams::kShared, true, true, false},
    FusionRule{"Unsqueeze", "Unsqueeze", FusedInputs::kFirst, FusedOutputs::kEvery, FusedParams::kShared, true, true, false},
    FusionRule{"Where", "QLinearWhere", FusedInputs::kBranches},
};
// clang-format on

constexpr bool fusion_rules_are_sorted_without_duplicates() {
  for (std::size_t i = 1; i < kFusionRules.size(); ++i) {
    if (!(kFusionRules.at(i - 1).op_type < kFusionRules.at(i).op_type)) return false;
  }
  return true;
}
static_assert(fusion_rules_are_sorted_without_duplicates(),
              "kFusionRules: one row per operator, in alphabetical order");

/// The row of that operator of ONNX's own domain; null when ONNX Runtime fuses none around it.
const FusionRule* find_fusion_rule(std::string_view op_type);

/// What keeps an operator that reads dequantized values from running on integers.
enum class FusionObstacle : std::uint8_t {
  kNone,
  kNoKernel,              // no row in kFusionRules
  kInputIsFloat,          // an input does not come from DequantizeLinear
  kInputIsShared,         // what its DequantizeLinear writes is a graph output, or a subgraph's
  kOutputIsFloat,         // no QuantizeLinear behind it, and no kernel that writes floats
  kOutputIsShared,        // its output is also read as floats, or is a graph output
  kOutputQuantizedTwice,  // by two QuantizeLinear nodes
  kClampCuts,             // the Relu or Clip behind it cuts what the integers could hold
  kTypesDiffer,           // of the integers before and behind it
  kParamsDiffer,          // it needs the same scale and zero point on both sides
  kParamsNotScalar,       // per channel, computed, or without a zero point
  kScaleNotPositive,
  kSigned,        // int8 activations: kernels on x86 take uint8
  kWide,          // 16-bit integers: kernels take 8 bits
  kBiasNotInt32,  // its bias is float, or dequantized from another type
  kBiasScale,     // Conv: its bias has another scale than input * weight, or a zero point
  kBetaNotOne,    // Gemm
  kInterpolates,  // Resize of a mode other than nearest
};
std::string_view name_of(FusionObstacle obstacle);  // "no-kernel", …
/// For people: "ONNX Runtime has no integer kernel for it".
std::string_view text_of(FusionObstacle obstacle);

struct FusionConfig {
  bool signed_activations = false;  // true on Arm, where int8 activations have kernels
};

/// One node as ONNX Runtime leaves it. A fused one has the name of the operator that it replaces;
/// its inputs are that operator's, then the scales and zero points of the pairs around it.
struct FusedNode {
  Node node = {};
  std::optional<std::size_t> source = {};  // node of the model that it is; nothing: one inserted
  FusionObstacle obstacle = FusionObstacle::kNone;  // of a float node with a dequantized input
};

/// What ONNX Runtime makes of a graph, as far as Q/DQ are concerned. Fusions of float operators
/// among themselves and changes of memory layout are not followed.
struct FusionForecast {
  std::vector<FusedNode> nodes = {};
  std::vector<std::string> inputs = {};  // of the graph; constants are not among them

  /// Nodes by operator type.
  [[nodiscard]] std::map<std::string, std::size_t> operators() const;
};

/// Follows ONNX Runtime on the main graph of `model`. Types and shapes are read from graph.values,
/// as write_value_types leaves them; without them MatMul and Add are not seen to become a Gemm.
/// Nodes inside subgraphs are not looked at.
FusionForecast forecast_fusion(const Model& model, const FusionConfig& config = {});

}  // namespace planish
