// Types and shapes of every value of a model, from ONNX Runtime itself.
#pragma once

#include <string>
#include <unordered_map>

#include "planish/graph/model.h"

namespace planish {

using ValueTypes = std::unordered_map<std::string, ValueType>;

/// What ONNX Runtime infers for inputs, initializers and what nodes make, also those in bodies.
///
/// Large weights are not handed over (only their types are), so this takes no memory for them.
/// Absent are values whose type it does not infer (of custom operators), those in functions, and
/// names of several types in several bodies. A tensor type without a shape: of unknown rank.
/// @throws Error as open_session.
ValueTypes infer_value_types(const Model& model);

/// The types that the main graph itself declares: of inputs, outputs, values between (as
/// write_value_types leaves them) and initializers.
ValueTypes declared_value_types(const Model& model);

}  // namespace planish
