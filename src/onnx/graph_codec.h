// onnx::ModelProto and all it is made of, but for tensors and types, to and from planish's own.
#pragma once

#include "onnx/external_files.h"
#include "onnx/proto.h"

namespace planish {

/// Moves the model out of `proto`. `levels`: how many graphs, and how many types, may stand inside
/// each other. Errors name the nodes and tensors on the way.
/// @throws Error(kCorrupt), Error(kUnsupported), and as ExternalFiles::read.
Model take_model(onnx::ModelProto& proto, ExternalFiles& files, std::size_t levels);

/// All of `model` but its graph.
void put_model_head(const Model& model, onnx::ModelProto& proto);

/// Moves a graph out of `proto`; `levels` counts this one. @throws as take_model.
Graph take_graph(onnx::GraphProto& proto, ExternalFiles& files, std::size_t levels);

enum class Initializers { kWritten, kLeftOut };
void put_graph(const Graph& graph, Initializers initializers, onnx::GraphProto& proto);

}  // namespace planish
