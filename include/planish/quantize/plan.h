// What quantization will do to a model: decided first, as a value; then applied.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/graph/bodies.h"
#include "planish/graph/model.h"
#include "planish/quantize/calibration_table.h"
#include "planish/quantize/config.h"
#include "planish/quantize/params.h"
#include "planish/quantize/range_reduction.h"

namespace planish {

enum class NodeAction {
  kLeave,     // stays as it is; quantized inputs are dequantized before it
  kQuantize,  // gets Q/DQ around it, or an integer operator in its place
  kAbsorb,    // dropped: the range of its output implies what it did (Relu, Clip)
  kReread,    // dropped: its output is the integers of its input, clamped, at another scale
};

/// Why a node is left, for programs; NodeDecision::reason says it for people.
enum class LeaveReason {
  kNone,               // it is not left
  kNoRule,             // no quantized form of this operator
  kNotSelected,        // its type is not among config.op_types
  kExcluded,           // named in config.exclude_nodes, or not in config.include_nodes
  kNoIntegerKernel,    // profile best: CPUs gain nothing from it in integers
  kNotFed,             // no quantized node feeds it
  kNotRead,            // profile best: moves elements, and no quantized node reads them
  kNotFloat,           // its data is not float
  kWeightNotConstant,  // matrix of two activations
  kBiasNotConstant,    // QOperator: the bias is computed
  kOpsetTooOld,        // no integer form in the model's opset
  kNoRange,            // a tensor that needs a range has none in the calibration table
  kUnsupportedForm,    // an attribute or input that the integer operator does not have
  kNotFused,           // profile best, QDQ: ONNX Runtime would run it in float between its pairs
  kCostsMore,          // profile best, static: converting its values costs more than it gains
};
std::string_view name_of(LeaveReason reason);  // "no-integer-kernel", …

/// One node of the model, in model order.
struct NodeDecision {
  std::string node = {};
  std::string op_type = {};
  NodeAction action = NodeAction::kLeave;
  bool quantized = false;  // action != kLeave
  LeaveReason code = LeaveReason::kNone;
  std::string reason = {};    // "" unless left
  bool float_output = false;  // QDQ: no pair behind it; the runtime's kernel writes floats
  friend bool operator==(const NodeDecision&, const NodeDecision&) = default;
};

enum class TensorRole {
  kActivation,  // by its calibrated range, or sharing another tensor's parameters
  kConstant,    // initializer read as an activation: by its values, in the activation type
  kWeight,      // initializer, by its values, in the weight type
  kBias,        // int32 initializer of scale input * weight
};
std::string_view name_of(TensorRole role);

/// QDQ: a second pair behind a tensor's first, for readers that want other integers than its maker
/// writes (ConvertOverride).
struct Conversion {
  QuantizationParams params = {};
  std::optional<std::vector<std::string>> readers = {};  // names of nodes; nothing: all
  friend bool operator==(const Conversion&, const Conversion&) = default;
};

/// The integers of a tensor are those of tensor `of`, held between `bounds`.
struct IntegerClamp {
  std::string of = {};
  IntegerLimits bounds = {};
  friend bool operator==(const IntegerClamp&, const IntegerClamp&) = default;
};

/// The parameters of one tensor. Entries come in the order in which the model is rewritten.
struct TensorPlan {
  std::string tensor = {};
  TensorRole role = TensorRole::kActivation;
  DType dtype = DType::kUInt8;
  DType scale_dtype = DType::kFloat32;
  std::vector<QuantizationParams> params = {};  // one, or one per index of `axis`; none when shared
  std::optional<std::size_t> axis = {};
  std::string shares = {};                // the tensor whose parameters it has; "" its own
  bool shares_converted = false;          // the parameters of the other's conversion
  std::optional<TensorRange> range = {};  // of an activation, as used
  std::optional<Conversion> conversion = {};
  std::optional<IntegerClamp> clamp = {};  // not quantized from floats, but from other integers
  /// Of a weight: its integers, of `dtype` and the initializer's dims, where they are chosen
  /// otherwise than by rounding to the nearest. See planish/remedy/rounding.h.
  std::optional<Tensor> integers = {};
  friend bool operator==(const TensorPlan&, const TensorPlan&) = default;
};

/// The int32 bias of one node: real = input scale * weight scale * beta * q, zero point 0.
struct BiasPlan {
  std::size_t node = 0;   // index of the node that reads it
  std::string bias = {};  // the model's initializer
  std::string copy = {};  // its name after quantization: `bias`, or a copy's for a shared one
  std::vector<float> scales = {};  // one, or one per output channel
  DType scale_dtype = DType::kFloat32;
  bool zeroed = false;  // Gemm with beta 0: quantized as zeros
  friend bool operator==(const BiasPlan&, const BiasPlan&) = default;
};

/// A float constant that the quantized model holds in place of the model's own: a bias that makes
/// up for the mean error of its layer. See planish/remedy/bias_correction.h.
struct CorrectedConstant {
  std::string name = {};
  Tensor value = {};
  friend bool operator==(const CorrectedConstant&, const CorrectedConstant&) = default;
};

struct BodyPlan;

struct QuantizationPlan {
  QuantizationConfig config = {};
  std::vector<NodeDecision> nodes = {};
  std::vector<TensorPlan> tensors = {};
  std::vector<BiasPlan> biases = {};
  std::vector<RangeReduction> reductions = {};  // weights that could saturate, in node order
  std::vector<CorrectedConstant> corrected = {};
  /// Of every body of If, Loop and Scan, where bodies are planned (QuantizationConfig::bodies).
  std::vector<BodyPlan> bodies;  // no "= {}": BodyPlan is not complete here

  [[nodiscard]] const TensorPlan* find(std::string_view tensor) const;
  friend bool operator==(const QuantizationPlan&, const QuantizationPlan&) = default;
};

/// The plan of one body, as of a model of its own (open_body): ranges are those of its values by
/// name. In static mode a body that never ran while ranges were found, so that it has none, is
/// planned in dynamic mode.
struct BodyPlan {
  BodyPlace place = {};
  QuantizationPlan plan = {};
  friend bool operator==(const BodyPlan&, const BodyPlan&) = default;
};

/// A plan and where it holds: "" for the model itself, "then_branch of If_0" for a body.
struct PlacedPlan {
  std::string in = {};
  const QuantizationPlan* plan = nullptr;
};
/// `plan` itself, then the plans of its bodies and of bodies in those, in order; they belong to
/// `plan`.
std::vector<PlacedPlan> plans_in(const QuantizationPlan& plan);
/// Nodes of `plan` that are quantized, those of its bodies not counted.
std::size_t quantized_nodes(const QuantizationPlan& plan);

/// `plan`'s own reductions and those of its bodies.
std::vector<RangeReduction> all_reductions(const QuantizationPlan& plan);

/// Decides, from the model's types (graph.values, as `prepare` writes them) and the ranges of
/// `table` (not read in dynamic mode). Reads weights, changes nothing.
/// @throws Error(kInvalidArgument): config; a range that is missing under profile onnxruntime-1.32
///   in QDQ (under profile best the node is left). Error(kUnsupported): an opset that has no
///   quantized operators of the kind asked for; under profile best, weights of float16 only.
QuantizationPlan plan_quantization(const Model& model, const CalibrationTable& table,
                                   const QuantizationConfig& config);

/// The quantized model. @throws Error(kInvalidArgument) when the plan was made for another model.
Model apply(const QuantizationPlan& plan, const Model& model);

/// Names of the tensors whose ranges plan_quantization() may read, sorted: float values that are
/// not constants, also in bodies. Under profile onnxruntime-1.32, those which its calibrators
/// observe.
std::vector<std::string> calibration_targets(const Model& model, const QuantizationConfig& config);

/// For --dry-run: a line per node and per tensor; and all of it as JSON.
std::string to_string(const QuantizationPlan& plan);
Json to_json(const QuantizationPlan& plan);

}  // namespace planish
