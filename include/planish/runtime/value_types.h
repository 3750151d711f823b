// Types and shapes of every value of a model, from ONNX Runtime itself.
#pragma once

#include <string>
#include <unordered_map>

#include "planish/graph/model.h"

namespace planish {

using ValueTypes = std::unordered_map<std::string, ValueType>;

/// What ONNX Runtime infers for each value of the main graph: inputs, initializers, node outputs.
///
/// Large weights are not handed over (only their types are), so this takes no memory for them.
/// Absent are values whose type ONNX Runtime does not infer (outputs of custom operators), and the
/// values inside subgraphs and functions. A tensor type without a shape is one of unknown rank.
/// @throws Error as open_session.
ValueTypes infer_value_types(const Model& model);

/// The types that the main graph itself declares: of inputs, outputs, values between (as
/// write_value_types leaves them) and initializers.
ValueTypes declared_value_types(const Model& model);
/// The same of one graph, such as a body.
ValueTypes declared_value_types(const Graph& graph);

}  // namespace planish
