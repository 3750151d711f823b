// A pass of its own: models of older opsets in the forms of opset 13.
#pragma once

#include <optional>
#include <string>

#include "planish/optimize/passes.h"

namespace planish {

/// Makes a model of opset 7 to 12 one of opset 13, bodies included; does nothing to one that has a
/// node that cannot be raised, or is newer or older. docs/prepare.md has the operators.
PassReport raise_opset(Model& model, const OptimizeConfig& config);

inline constexpr Pass kRaiseOpset{
    "raise-opset",
    "a model of opset 7 to 12 becomes one of opset 13, where scales per channel can be written",
    raise_opset, kExact};

/// What keeps raise_opset from its work: the node and why, "Scan 'x' of a form …"; nothing when
/// nothing does, or nothing is to do.
std::optional<std::string> opset_obstacle(const Model& model);

}  // namespace planish
