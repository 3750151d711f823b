// What ONNX Runtime can write again once it has optimized it.
#pragma once

#include "planish/graph/model.h"

namespace planish {

/// `model` with the Constant nodes of its bodies (If, Loop, Scan) as initializers. ONNX Runtime 1.32
/// writes a Constant of a body twice when weights go to a file beside the model, as an initializer
/// and as a node of the same name, and does not read that again.
Model writable(const Model& model);

}  // namespace planish
