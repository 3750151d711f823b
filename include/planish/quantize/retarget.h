// Fits a model that is quantized already to the CPU that will run it: no float model, no data.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/graph/model.h"
#include "planish/quantize/range_reduction.h"
#include "planish/quantize/target.h"

namespace planish {

/// Whether `model`, or a body in it, has operators that quantize, dequantize or compute on 8-bit integers.
bool is_quantized(const Model& model);

struct RetargetReport {
  Target target = Target::kAvx2;
  std::size_t values = 0;       // s8 activations that are u8 now, on the same grid
  std::size_t constants = 0;    // that went with them: zero points, operands
  std::size_t conversions = 0;  // between s8 and u8, where inputs, outputs or operators need s8
  std::vector<RangeReduction> reductions = {};  // s8 weights that could saturate

  [[nodiscard]] bool changes_nothing() const;
};

struct Retargeted {
  Model model = {};
  RetargetReport report = {};
};

/// What `target` needs of the QDQ, QOperator or dynamic model `model`:
///  1. where it has no kernels for s8 activations, they become u8: integers and zero points + 128,
///     so that every real number stays what it was. Inputs and outputs of the model that are s8
///     stay so;
///  2. where sums of its u8-by-s8 products saturate, the weights of the output channels that could
///     overflow are rounded to steps that are just wide enough.
/// @throws Error(kInvalidArgument) when `model` is not quantized.
Retargeted retarget(const Model& model, Target target);

/// A sentence for people.
std::string explain(const RetargetReport& report);
Json to_json(const RetargetReport& report);

}  // namespace planish
