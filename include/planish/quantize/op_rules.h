// Everything planish knows about quantizing one operator: one row per operator, read by the
// planner, the calibrator, `planish ops` and docs/operators.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace planish {

/// How Q/DQ pairs are put around an operator. "Shares": its output has its input's parameters.
enum class QdqRule : std::uint8_t {
  kNone,           // not by default; when a user names it, as kEveryTensor
  kEveryTensor,    // every float input and output by its own range
  kWeighted,       // input 0 and output by range, input 1 a weight, input 2 an int32 bias
  kMatMul,         // constant inputs are weights, the others activations
  kNormalization,  // input 1 (gamma) a weight, input 2 (beta) an int32 bias
  kClamp,          // Relu, Clip: dropped where the range of the output implies the clamp
  kShares,         // output shares input 0, when input 0 is quantized
  kPad,            // shares when it pads with 0 or values of the input
  kSplit,          // every output shares input 0
  kGather,         // shares, when the data is quantized or a constant
  kWhere,          // when both branches are quantized
  kHardSigmoid,    // profile best: the integers of its input, clamped, at another scale
};

/// What replaces an operator in the QOperator format (static).
enum class QOperatorRule : std::uint8_t {
  kNone,            // stays float
  kConv,            // QLinearConv
  kGemm,            // QGemm (com.microsoft)
  kMatMul,          // QLinearMatMul
  kBinary,          // QLinear<Op> (com.microsoft) of two inputs
  kUnary,           // QLinear<Op> (com.microsoft) of one input
  kSoftmax,         // QLinearSoftmax, output scale fixed to 1/256
  kGlobalPool,      // QLinearGlobalAveragePool, when the input is quantized
  kConcat,          // QLinearConcat
  kWhere,           // QLinearWhere, only under force_data_movement
  kClamp,           // dropped when the input is quantized
  kShares,          // the same operator on integers, when the input is quantized
  kPad,             // the same on integers, padding with the quantized constant
  kSplit,           // the same on integers
  kArgMax,          // the same on the integers of a quantized input; indices need no scale
  kGather,          // the same on integers, when the data is a constant
  kEmbedLayerNorm,  // QEmbedLayerNormalization
  kHardSigmoid,     // as in QdqRule
};

/// What replaces an operator in dynamic mode.
enum class DynamicRule : std::uint8_t {
  kNone,            // stays float
  kMatMul,          // MatMulInteger, Cast, Mul; Gemm is first split into MatMul and Add
  kConv,            // ConvInteger, Cast, Mul, Add
  kAttention,       // QAttention
  kLstm,            // DynamicQuantizeLSTM
  kShares,          // as in QOperatorRule
  kGather,          // as in QOperatorRule
  kEmbedLayerNorm,  // as in QOperatorRule
};

/// What the best profile does with an operator on a CPU, in static mode.
enum class BestUse : std::uint8_t {
  kLeave,            // no integer kernel that pays, or a loss of accuracy for nothing: stays float
  kCompute,          // matrix work: always quantized
  kFollow,           // integer kernel: quantized when a quantized node feeds it
  kMove,             // moves or looks up elements: quantized between quantized nodes only
  kMoveInQOperator,  // so in the QOperator format; float in QDQ, whose pairs the runtime leaves
                     // there
};

struct OpRule {
  std::string_view op_type = {};
  QdqRule qdq = QdqRule::kNone;
  QOperatorRule qoperator = QOperatorRule::kNone;
  DynamicRule dynamic = DynamicRule::kNone;
  BestUse best = BestUse::kLeave;
  int min_opset = 1;      // below it the operator has no integer form
  int channel_axis = -1;  // of the weight, for per-channel scales; Gemm: see weight_axis_of()
  std::string_view why = {};
};

// clang-format off
inline constexpr std::array kOpRules{
    OpRule{"Add", QdqRule::kEveryTensor, QOperatorRule::kBinary, DynamicRule::kNone, BestUse::kFollow, 1, -1,
           "integer kernel for two activations, own output range"},
    OpRule{"ArgMax", QdqRule::kEveryTensor, QOperatorRule::kArgMax, DynamicRule::kNone, BestUse::kLeave, 1, -1,
           "the order of elements is all that it needs; near ties flip in 8 bits"},
    OpRule{"Attention", QdqRule::kNone, QOperatorRule::kNone, DynamicRule::kAttention, BestUse::kLeave, 1, -1,
           "com.microsoft; dynamic mode only"},
    OpRule{"AveragePool", QdqRule::kShares, QOperatorRule::kUnary, DynamicRule::kNone, BestUse::kFollow, 1, -1,
           "a mean lies in the range of its input"},
    OpRule{"BatchNormalization", QdqRule::kNormalization, QOperatorRule::kNone, DynamicRule::kNone, BestUse::kLeave, 1, 1,
           "no integer kernel on CPUs; `prepare` folds it into a convolution"},
    OpRule{"Clip", QdqRule::kClamp, QOperatorRule::kClamp, DynamicRule::kNone, BestUse::kFollow, 1, -1,
           "free when the output's range implies it"},
    OpRule{"Concat", QdqRule::kEveryTensor, QOperatorRule::kConcat, DynamicRule::kNone, BestUse::kFollow, 1, -1,
           "integer kernel that rescales each input to the output's range"},
    OpRule{"Conv", QdqRule::kWeighted, QOperatorRule::kConv, DynamicRule::kConv, BestUse::kCompute, 1, 0,
           "weight [M, C/group, kH, kW], one scale per M"},
    OpRule{"ConvTranspose", QdqRule::kWeighted, QOperatorRule::kNone, DynamicRule::kNone, BestUse::kLeave, 1, 1,
           "no integer kernel on CPUs"},
    OpRule{"CumSum", QdqRule::kEveryTensor, QOperatorRule::kNone, DynamicRule::kNone, BestUse::kLeave, 1, -1,
           "no integer kernel on CPUs"},
    OpRule{"EmbedLayerNormalization", QdqRule::kNone, QOperatorRule::kEmbedLayerNorm, DynamicRule::kEmbedLayerNorm, BestUse::kLeave, 1, -1,
           "com.microsoft; tables in 8 bits: smaller, not faster"},
    OpRule{"Flatten", QdqRule::kShares, QOperatorRule::kShares, DynamicRule::kNone, BestUse::kMove, 1, -1,
           "moves elements"},
    OpRule{"Gather", QdqRule::kGather, QOperatorRule::kGather, DynamicRule::kGather, BestUse::kMove, 1, -1,
           "moves elements"},
    OpRule{"GatherElements", QdqRule::kGather, QOperatorRule::kNone, DynamicRule::kNone, BestUse::kMove, 1, -1,
           "moves elements"},
    OpRule{"Gemm", QdqRule::kWeighted, QOperatorRule::kGemm, DynamicRule::kMatMul, BestUse::kCompute, 1, 1,
           "weight [K, N] or, transB, [N, K]; one scale per N"},
    OpRule{"GlobalAveragePool", QdqRule::kEveryTensor, QOperatorRule::kGlobalPool, DynamicRule::kNone, BestUse::kFollow, 1, -1,
           "integer kernel, own output range: means span less than their input"},
    OpRule{"HardSigmoid", QdqRule::kHardSigmoid, QOperatorRule::kHardSigmoid, DynamicRule::kNone, BestUse::kMove, 12, -1,
           "the integers of its input between two bounds, at another scale: exact, and nearly free"},
    OpRule{"InstanceNormalization", QdqRule::kNormalization, QOperatorRule::kNone, DynamicRule::kNone, BestUse::kLeave, 1, 1,
           "no integer kernel on CPUs"},
    OpRule{"LSTM", QdqRule::kNone, QOperatorRule::kNone, DynamicRule::kLstm, BestUse::kLeave, 1, 0,
           "dynamic mode only"},
    OpRule{"LayerNormalization", QdqRule::kNormalization, QOperatorRule::kNone, DynamicRule::kNone, BestUse::kLeave, 1, 1,
           "no integer kernel on CPUs, and sensitive"},
    OpRule{"LeakyRelu", QdqRule::kEveryTensor, QOperatorRule::kUnary, DynamicRule::kNone, BestUse::kMove, 1, -1,
           "a table of 256 entries"},
    OpRule{"MatMul", QdqRule::kMatMul, QOperatorRule::kMatMul, DynamicRule::kMatMul, BestUse::kCompute, 1, 1,
           "weight [K, N], one scale per N; two activations stay float under profile best"},
    OpRule{"MaxPool", QdqRule::kShares, QOperatorRule::kShares, DynamicRule::kNone, BestUse::kFollow, 12, -1,
           "8-bit integers since opset 12"},
    OpRule{"Mul", QdqRule::kEveryTensor, QOperatorRule::kBinary, DynamicRule::kNone, BestUse::kFollow, 1, -1,
           "integer kernel for two activations, own output range"},
    OpRule{"Pad", QdqRule::kPad, QOperatorRule::kPad, DynamicRule::kNone, BestUse::kMoveInQOperator, 1, -1,
           "moves elements, but the runtime does not take Q/DQ into it"},
    OpRule{"Relu", QdqRule::kClamp, QOperatorRule::kClamp, DynamicRule::kNone, BestUse::kFollow, 1, -1,
           "free when the output's range implies it"},
    OpRule{"Reshape", QdqRule::kShares, QOperatorRule::kShares, DynamicRule::kNone, BestUse::kMove, 1, -1,
           "moves elements"},
    OpRule{"Resize", QdqRule::kShares, QOperatorRule::kShares, DynamicRule::kNone, BestUse::kMove, 11, -1,
           "nearest moves elements; other modes have no integer kernel and stay float under profile best"},
    OpRule{"Sigmoid", QdqRule::kEveryTensor, QOperatorRule::kUnary, DynamicRule::kNone, BestUse::kMove, 1, -1,
           "a table of 256 entries"},
    OpRule{"Slice", QdqRule::kShares, QOperatorRule::kNone, DynamicRule::kNone, BestUse::kMove, 1, -1,
           "moves elements"},
    OpRule{"Softmax", QdqRule::kEveryTensor, QOperatorRule::kSoftmax, DynamicRule::kNone, BestUse::kLeave, 1, -1,
           "output in [0, 1]; 8 bits flatten small probabilities"},
    OpRule{"Split", QdqRule::kSplit, QOperatorRule::kSplit, DynamicRule::kNone, BestUse::kMove, 1, -1,
           "moves elements"},
    OpRule{"Squeeze", QdqRule::kShares, QOperatorRule::kShares, DynamicRule::kNone, BestUse::kMove, 1, -1,
           "moves elements"},
    OpRule{"TopK", QdqRule::kShares, QOperatorRule::kNone, DynamicRule::kNone, BestUse::kLeave, 1, -1,
           "near ties flip in 8 bits"},
    OpRule{"Transpose", QdqRule::kShares, QOperatorRule::kShares, DynamicRule::kShares, BestUse::kMove, 1, -1,
           "moves elements"},
    OpRule{"Unsqueeze", QdqRule::kShares, QOperatorRule::kShares, DynamicRule::kNone, BestUse::kMove, 1, -1,
           "moves elements"},
    OpRule{"Where", QdqRule::kWhere, QOperatorRule::kWhere, DynamicRule::kNone, BestUse::kLeave, 1, -1,
           "masks hold values near -inf that no 8-bit range serves"},
};
// clang-format on

constexpr bool op_rules_are_sorted_without_duplicates() {
  for (std::size_t i = 1; i < kOpRules.size(); ++i) {
    if (!(kOpRules.at(i - 1).op_type < kOpRules.at(i).op_type)) return false;
  }
  return true;
}
static_assert(op_rules_are_sorted_without_duplicates(),
              "kOpRules: one row per operator, in alphabetical order");

/// The row of `op_type`; null when there is none.
const OpRule* find_op_rule(std::string_view op_type);

/// Whether the static quantizer of ONNX Runtime takes the operator by default (either format).
constexpr bool is_static_by_default(const OpRule& rule) {
  if (rule.qdq == QdqRule::kHardSigmoid) return false;  // a form that it does not have
  return rule.qdq != QdqRule::kNone || rule.qoperator != QOperatorRule::kNone;
}
/// The same of the dynamic quantizer; it reaches Gemm as MatMul.
constexpr bool is_dynamic_by_default(const OpRule& rule) {
  return rule.dynamic != DynamicRule::kNone && rule.op_type != "Gemm";
}

std::string_view name_of(QdqRule rule);
std::string_view name_of(QOperatorRule rule);
std::string_view name_of(DynamicRule rule);
std::string_view name_of(BestUse use);

/// The table as Markdown: what docs/operators.md holds (a test compares).
std::string op_rules_markdown();

}  // namespace planish
