// From an exported program to an ONNX model.
#pragma once

#include "planish/torch/import.h"
#include "torch/archive.h"
#include "torch/exported_program.h"

namespace planish::torch {

/// `archive` is where the program's weights are.
TorchImport lower(ExportedProgram program, Archive& archive, const TorchImportConfig& config);

}  // namespace planish::torch
