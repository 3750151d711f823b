// Dynamic mode has an integer MatMul but no integer Gemm: what can be is split into MatMul and Add.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "planish/graph/model.h"

namespace planish::quantize_detail {

/// A model with Gemms split, and where each of its nodes comes from.
struct SplitModel {
  Model model = {};
  std::vector<std::size_t> origin = {};  // node of the split model → node of the model it was
  std::map<std::string, std::string> transposed = {};  // constant → its transposed copy
};

/// Whether Gemm `node` is A * B (+ C): alpha and beta 1, A not transposed.
bool is_plain_gemm(const Node& node);

/// What the transposed copy of a constant is called where the name is free.
std::string transposed_name(const std::string& constant);

/// Every plain Gemm that `wanted` flags becomes MatMul "<name>_MatMul" and, with a C, Add
/// "<name>_Add". A constant B that is transposed is stored as "<B>_Transposed", another gets a
/// Transpose node. Names as ONNX Runtime 1.32 gives them. Subgraphs stay as they are.
SplitModel split_gemms(const Model& model, const std::vector<bool>& wanted);

}  // namespace planish::quantize_detail
