// What the Q/DQ nodes of a model cost that ONNX Runtime does not turn into integer kernels: one
// finding per place, with the reason and what to do.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/quantize/fusion.h"

namespace planish {

enum class LintCode : std::uint8_t {
  kEntry,
  kExit,
  kFloatPair,
  kNoKernel,
  kUnfused,
  kRequantized,
  kConstant,
  kSignedActivations,
  kUnsignedWeights,
  kWeightOnly,
  kDoublePair,
  kBiasScale,
};

enum class LintLevel : std::uint8_t {
  kInfo,   // how quantized models are: no fault
  kCost,   // time for nothing
  kWrong,  // the runtime computes something else than the model says
};
std::string_view name_of(LintLevel level);  // "info", "cost", "wrong"

struct LintRule {
  LintCode code = LintCode::kEntry;
  std::string_view name = {};
  LintLevel level = LintLevel::kInfo;
  std::string_view meaning = {};
  std::string_view remedy = {};
};

// clang-format off
inline constexpr std::array kLintRules{
    LintRule{LintCode::kEntry, "entry", LintLevel::kInfo,
             "floats become integers: QuantizeLinear in front of an integer kernel",
             "nothing, where integer kernels follow that save more; else leave what follows in float"},
    LintRule{LintCode::kExit, "exit", LintLevel::kInfo,
             "integers become floats: DequantizeLinear in front of an operator that stays float, or of an output",
             "nothing, where it is the end of the integer part"},
    LintRule{LintCode::kFloatPair, "float-pair", LintLevel::kCost,
             "QuantizeLinear and DequantizeLinear follow one another with floats on both sides",
             "remove the pair: values keep their resolution, and two passes over the tensor go"},
    LintRule{LintCode::kNoKernel, "no-kernel", LintLevel::kCost,
             "an operator without integer kernel, dequantized before it",
             "leave its neighbours in float too, when they save less than the conversions cost; or rewrite it to operators that have kernels"},
    LintRule{LintCode::kUnfused, "unfused", LintLevel::kCost,
             "an operator with an integer kernel that runs in float all the same",
             "remove the reason that is given"},
    LintRule{LintCode::kRequantized, "requantized", LintLevel::kCost,
             "integers become floats only to become other integers",
             "give both tensors the same scale and zero point"},
    LintRule{LintCode::kConstant, "constant-dequantized", LintLevel::kCost,
             "a constant is dequantized again in every run, since what reads it runs in float",
             "store it as floats, or quantize the activation too"},
    LintRule{LintCode::kSignedActivations, "s8-activations", LintLevel::kCost,
             "int8 activations: the kernels of x86 take uint8, and ONNX Runtime converts only tensors with one reader",
             "uint8 activations: the zero point plus 128 is the same grid"},
    LintRule{LintCode::kUnsignedWeights, "u8-weights", LintLevel::kInfo,
             "uint8 weights: the integer instructions of AVX512-VNNI take int8 ones",
             "int8 weights, unless the machine is AVX2 without VNNI, where uint8 weights cannot saturate"},
    LintRule{LintCode::kWeightOnly, "weight-only", LintLevel::kInfo,
             "integer weight, float activation: MatMulNBits, which saves memory traffic, not arithmetic",
             "quantize the activation too for speed with large batches"},
    LintRule{LintCode::kDoublePair, "double-pair", LintLevel::kWrong,
             "two pairs in a row of different parameters: ONNX Runtime keeps one, over what both ranges hold",
             "keep one of them"},
    LintRule{LintCode::kBiasScale, "bias-scale", LintLevel::kWrong,
             "the scale of a Gemm's int32 bias is not input times weight: QGemm takes its integers as if it were",
             "quantize the bias again at the scale of input times weight"},
};
// clang-format on

constexpr bool lint_rules_are_in_order() {
  for (std::size_t i = 0; i < kLintRules.size(); ++i) {
    if (static_cast<std::size_t>(kLintRules.at(i).code) != i) return false;
  }
  return kLintRules.size() == static_cast<std::size_t>(LintCode::kBiasScale) + 1;
}
static_assert(lint_rules_are_in_order(), "kLintRules: one row per LintCode, in enum order");

constexpr const LintRule& row_of(LintCode code) {
  return kLintRules.at(static_cast<std::size_t>(code));
}

struct LintFinding {
  LintCode code = LintCode::kEntry;
  std::string node = {};     // the operator that it is about; Q or DQ where there is no other
  std::string op_type = {};  // of that node
  std::string tensor = {};   // the value that is converted
  FusionObstacle obstacle = FusionObstacle::kNone;
  std::string reason = {};              // for people
  std::vector<std::string> pairs = {};  // names of the Q and DQ nodes that stay because of it
  friend bool operator==(const LintFinding&, const LintFinding&) = default;
};

/// What the Q and DQ nodes are there for that are left among `nodes`. Every one of them belongs to
/// one finding.
std::vector<LintFinding> explain_leftovers(const FusionForecast& nodes);

/// The forecast's left-overs explained, then what else is to be said of the model's Q/DQ nodes.
std::vector<LintFinding> lint_qdq(const Model& model, const FusionConfig& config = {});

/// Whether the main graph of `model` has Q or DQ nodes.
bool has_qdq(const Model& model);

Json to_json(const LintFinding& finding);

/// kLintRules and the obstacles as Markdown tables: what docs/lint.md holds (a test compares).
std::string lint_rules_markdown();
/// kFusionRules as a Markdown table.
std::string fusion_rules_markdown();

}  // namespace planish
