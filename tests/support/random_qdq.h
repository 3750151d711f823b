// Random small models with QuantizeLinear and DequantizeLinear around float operators, as tools
// write them, and as they should not.
#pragma once

#include <cstdint>

#include "planish/graph/model.h"

namespace planish::test {

/// A model that ONNX Runtime loads and runs: one to three inputs, up to `max_nodes` operators of
/// those that are quantized in practice, of images, sequences and matrices. Tensors have pairs of
/// one or several types or none, shared or one per reader, of the same parameters as others or of
/// their own; weights are integers, integers per channel, quantized in the graph, or floats; biases
/// int32 or float; clamps stand in between; values are graph outputs besides.
/// The same for the same seed on every machine.
Model random_qdq_model(std::uint64_t seed, std::size_t max_nodes = 8);

}  // namespace planish::test
