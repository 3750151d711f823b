// Sizes on which an imported model can be tried.
#pragma once

#include <vector>

#include "planish/torch/import.h"
#include "torch/exported_program.h"

namespace planish::torch {

/// Types of the inputs and outputs of the ONNX model, in its order; outputs without a type are
/// integers.
struct SignatureShapes {
  std::vector<SymShape> inputs = {};
  std::vector<SymShape> outputs = {};
};

/// The sizes that the program was exported with, then one example for every open dimension where
/// that alone has another size (1 where that is allowed).
std::vector<ExampleSizes> example_sizes(const ExportedProgram& program,
                                        const SignatureShapes& shapes,
                                        const std::vector<OpenDim>& open_dims);

}  // namespace planish::torch
