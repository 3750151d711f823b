// Operators that read or write 8-bit integers with a zero point: where their data and zero points
// stand. What the rewriters of quantized models know.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "planish/graph/model.h"

namespace planish::quantize_detail {

/// No such input.
inline constexpr int kNone = -1;

/// One data input. `zero_point`: the input that says where 0 lies; kNone when the integers only
/// move or are only ordered, so that it does not matter.
struct IntegerInput {
  int data = kNone;
  int zero_point = kNone;
  bool may_be_weight = false;  // a constant here stays signed
};

enum class IntegerKind : std::uint8_t {
  kMakes,  // its output is integers with the zero point `output_zero_point`
  kReads,  // its outputs are floats, int32 or indices
  kMoves,  // all outputs of 8 bits have the type of its inputs
};

struct IntegerOp {
  std::string_view op_type = {};
  IntegerKind kind = IntegerKind::kReads;
  std::array<IntegerInput, 2> inputs = {};
  int output_zero_point = kNone;
  int stride = 0;  // of further data inputs behind the first, to the last input; 0: there are none
};

// clang-format off
inline constexpr std::array kIntegerOps{
    IntegerOp{"ArgMax", IntegerKind::kReads, {{{0}}}},
    IntegerOp{"ArgMin", IntegerKind::kReads, {{{0}}}},
    IntegerOp{"Concat", IntegerKind::kMoves, {{{0}}}, kNone, 1},
    IntegerOp{"ConvInteger", IntegerKind::kReads, {{{0, 2}, {1, 3, true}}}},
    IntegerOp{"DepthToSpace", IntegerKind::kMoves, {{{0}}}},
    IntegerOp{"DequantizeLinear", IntegerKind::kReads, {{{0, 2}}}},
    IntegerOp{"Expand", IntegerKind::kMoves, {{{0}}}},
    IntegerOp{"Flatten", IntegerKind::kMoves, {{{0}}}},
    IntegerOp{"Gather", IntegerKind::kMoves, {{{0}}}},
    IntegerOp{"GatherElements", IntegerKind::kMoves, {{{0}}}},
    IntegerOp{"GatherND", IntegerKind::kMoves, {{{0}}}},
    IntegerOp{"Identity", IntegerKind::kMoves, {{{0}}}},
    IntegerOp{"MatMulInteger", IntegerKind::kReads, {{{0, 2}, {1, 3, true}}}},
    IntegerOp{"MatMulIntegerToFloat", IntegerKind::kReads, {{{0, 4}, {1, 5, true}}}},
    IntegerOp{"MaxPool", IntegerKind::kMoves, {{{0}}}},
    IntegerOp{"Pad", IntegerKind::kMoves, {{{0}}}},  // and the value it pads with
    IntegerOp{"QAttention", IntegerKind::kReads, {{{0, 6}, {1, 7, true}}}},
    IntegerOp{"QGemm", IntegerKind::kMakes, {{{0, 2}, {3, 5, true}}}, 8},
    IntegerOp{"QLinearAdd", IntegerKind::kMakes, {{{0, 2}, {3, 5}}}, 7},
    IntegerOp{"QLinearAveragePool", IntegerKind::kMakes, {{{0, 2}}}, 4},
    IntegerOp{"QLinearConcat", IntegerKind::kMakes, {{{2, 4}}}, 1, 3},
    IntegerOp{"QLinearConv", IntegerKind::kMakes, {{{0, 2}, {3, 5, true}}}, 7},
    IntegerOp{"QLinearGlobalAveragePool", IntegerKind::kMakes, {{{0, 2}}}, 4},
    IntegerOp{"QLinearLeakyRelu", IntegerKind::kMakes, {{{0, 2}}}, 4},
    IntegerOp{"QLinearMatMul", IntegerKind::kMakes, {{{0, 2}, {3, 5, true}}}, 7},
    IntegerOp{"QLinearMul", IntegerKind::kMakes, {{{0, 2}, {3, 5}}}, 7},
    IntegerOp{"QLinearSigmoid", IntegerKind::kMakes, {{{0, 2}}}, 4},
    IntegerOp{"QLinearSoftmax", IntegerKind::kMakes, {{{0, 2}}}, 4},
    IntegerOp{"QLinearWhere", IntegerKind::kMakes, {{{1, 3}, {4, 6}}}, 8},
    IntegerOp{"QuantizeLinear", IntegerKind::kMakes, {}, 2},
    IntegerOp{"ReduceMax", IntegerKind::kMoves, {{{0}}}},
    IntegerOp{"ReduceMin", IntegerKind::kMoves, {{{0}}}},
    IntegerOp{"Reshape", IntegerKind::kMoves, {{{0}}}},
    IntegerOp{"Resize", IntegerKind::kMoves, {{{0}}}},  // nearest only
    IntegerOp{"Slice", IntegerKind::kMoves, {{{0}}}},
    IntegerOp{"SpaceToDepth", IntegerKind::kMoves, {{{0}}}},
    IntegerOp{"Split", IntegerKind::kMoves, {{{0}}}},
    IntegerOp{"Squeeze", IntegerKind::kMoves, {{{0}}}},
    IntegerOp{"Tile", IntegerKind::kMoves, {{{0}}}},
    IntegerOp{"Transpose", IntegerKind::kMoves, {{{0}}}},
    IntegerOp{"Unsqueeze", IntegerKind::kMoves, {{{0}}}},
};
// clang-format on

constexpr bool integer_ops_are_sorted() {
  for (std::size_t i = 1; i < kIntegerOps.size(); ++i) {
    if (!(kIntegerOps.at(i - 1).op_type < kIntegerOps.at(i).op_type)) return false;
  }
  return true;
}
static_assert(integer_ops_are_sorted(), "kIntegerOps: one row per operator, in alphabetical order");

/// The row of `node`, when it is an operator of ONNX or of ONNX Runtime; null otherwise, and for
/// forms of it whose integers are not as the row says (Resize with interpolation).
const IntegerOp* find_integer_op(const Node& node);

/// The data inputs that `node` has, those of `op.stride` written out.
std::vector<IntegerInput> integer_inputs(const IntegerOp& op, const Node& node);

}  // namespace planish::quantize_detail
