// Weights of a model that was read back from a temporary file.
#pragma once

#include "planish/graph/model.h"

namespace planish {

/// Takes `model` off the file that its weights are mapped from: an initializer that equals the one
/// of that name in `original` shares its memory, every other gets memory of its own. So weights
/// that the way through the file did not change are not there twice.
void own_weights(Model& model, const Model& original);

}  // namespace planish
