// What a model is made of, where its work lies, and which way to INT8 fits it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/graph/model.h"
#include "planish/quantize/plan.h"
#include "planish/quantize/retarget.h"
#include "planish/runtime/session.h"
#include "planish/runtime/value_types.h"

namespace planish {

/// Multiply-accumulates of one node for one run, from the shapes of its values; nothing when a
/// shape that it depends on is not known. 0 for operators that only move or map elements.
std::optional<std::uint64_t> multiply_accumulates(const Node& node, const ValueTypes& types);

/// Numbers for the symbolic dimensions of a model's inputs, by symbol; a dimension without a name
/// is "INPUT[AXIS]".
using DimSizes = std::map<std::string, std::int64_t>;

/// The sizes that they have in `inputs`.
DimSizes dims_of(const Model& model, std::span<const NamedTensor> inputs);

/// Multiply-accumulates of every node of `model` in a run of these sizes; others are assumed as in
/// InspectConfig. 0 where a shape is not known.
std::vector<std::uint64_t> work_by_node(const Model& model, const DimSizes& dims);
/// The same where the types of its values are known.
std::vector<std::uint64_t> work_by_node(const Model& model, const ValueTypes& types);

/// Whether multiply_accumulates knows `node`'s operator as one that multiplies matrices.
bool is_matrix_operator(const Node& node);

/// One operator type of the model.
struct OperatorSummary {
  std::string op_type = {};  // with its domain in front when it is not ONNX's own
  std::size_t nodes = 0;
  std::uint64_t macs = 0;
  double mac_share = 0.0;           // of all multiply-accumulates, in [0, 1]
  std::uint64_t parameters = 0;     // elements of the initializers that its nodes read first
  std::size_t quantized_nodes = 0;  // that the static plan gives INT8
};

/// A node that stays FP32 under the static plan, and why.
struct LeftNode {
  std::string node = {};
  std::string op_type = {};
  std::string reason = {};
  std::string in = {};  // "then_branch of If_0"; "" outside of bodies
};
/// All of `plan`, those of its bodies included.
std::vector<LeftNode> left_nodes(const QuantizationPlan& plan);
/// {"node", "op", "reason"}, and "in" when the node is in a body.
Json to_json(const std::vector<LeftNode>& nodes);

enum class RecommendedMode { kStatic, kDynamic, kNone };
std::string_view name_of(RecommendedMode mode);

struct InspectReport {
  std::int64_t ir_version = 0;
  std::vector<OpsetImport> opsets = {};
  std::string producer = {};
  std::vector<TensorSpec> inputs = {};
  std::vector<TensorSpec> outputs = {};
  DimSizes assumed_dims = {};      // symbolic dimensions and what they were taken as
  std::size_t nodes = 0;           // as the file has them, without those of bodies
  std::size_t prepared_nodes = 0;  // after preparation: what all below speaks of
  std::uint64_t parameters = 0;    // of the file
  std::uint64_t weight_bytes = 0;
  std::uint64_t macs = 0;  // one run at the assumed dimensions; of each body, one run
  std::size_t nodes_of_unknown_work = 0;        // matrix operators whose shapes are not known
  std::vector<OperatorSummary> operators = {};  // most work first
  std::vector<LeftNode> left_fp32 = {};
  bool already_quantized = false;
  Target target = Target::kAvx2;                // that the forecast is for
  std::vector<RangeReduction> reductions = {};  // weights that could saturate on it
  RetargetReport retarget = {};                 // of a quantized model: what would fit it to it
  RecommendedMode mode = RecommendedMode::kNone;
  std::string advice = {};  // "97 % of the work is Conv: static"
};

struct InspectConfig {
  /// Numbers for symbolic dimensions. Others are taken as 1 where they come first (the
  /// batch), else as 224 in an input of rank 4 and as 128 elsewhere.
  DimSizes dims = {};
  Target target = Target::kAvx2;  // the CPU that the model would be made for
};

/// Shapes come from ONNX Runtime, the forecast from the same preparation and plan that quantize.
/// @throws Error as infer_value_types: an operator that ONNX Runtime does not know is named.
InspectReport inspect_model(const Model& model, const InspectConfig& config = {});

Json to_json(const InspectReport& report);

}  // namespace planish
