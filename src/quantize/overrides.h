// What the planners ask about the user's overrides (TensorOverrides of the config).
#pragma once

#include <string>

#include "planish/quantize/config.h"
#include "planish/quantize/params.h"
#include "quantize/graph_facts.h"

namespace planish::quantize_detail {

/// Null when `tensor` has none.
const TensorOverride* override_of(const QuantizationConfig& config, const std::string& tensor);

/// The integer type of `tensor`: `fallback` unless it is overridden.
DType dtype_of(const QuantizationConfig& config, const std::string& tensor, DType fallback);

/// `options` with the symmetry and integers that `set` says.
void override_options(const ParamsOverride& set, ParamsOptions& options);

/// params_for(range, dtype, options), with what `set` (null: nothing) fixes of range or result.
QuantizationParams overridden_params(const ParamsOverride* set, TensorRange range, DType dtype,
                                     const ParamsOptions& options);

/// Whether the node of name `reader` gets `tensor` in the converted type (ConvertOverride).
bool receives_converted(const QuantizationConfig& config, const std::string& tensor,
                        const std::string& reader);

/// Whether the parameters of some tensor are overridden to 16 bits.
bool overrides_to_16_bits(const TensorOverrides& overrides);

/// @throws Error(kInvalidArgument) naming the tensor whose overrides do not fit the graph: it does
///   not exist, is no initializer (axis, reduce_range) or is one (convert), has no such axis; or a
///   conversion to the type that it has.
void validate_overrides(const QuantizationConfig& config, const GraphFacts& facts);

}  // namespace planish::quantize_detail
