// What ONNX demands of a model beyond its being a well-formed message.
#pragma once

#include "planish/graph/model.h"

namespace planish {

/// Checks versions and names, and puts nodes that are out of order into topological order, in the
/// graph, its subgraphs and the functions.
/// @throws Error(kCorrupt) for a missing version, a value that is defined twice, a cycle.
void validate(Model& model);

}  // namespace planish
