// Dynamic mode has an integer MatMul but no integer Gemm: what can be is split into MatMul and Add.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "planish/graph/bodies.h"
#include "planish/graph/model.h"

namespace planish::quantize_detail {

/// Where the nodes of a graph with Gemms split come from, and those of its bodies likewise.
struct SplitOrigin {
  BodyPlace place = {};                 // of a body, in the split graph around it
  std::vector<std::size_t> nodes = {};  // node of the split graph → node of the graph it was
  std::vector<SplitOrigin> bodies;      // no "= {}": the type is not complete here
};

struct SplitModel {
  Model model = {};
  SplitOrigin origin = {};
  std::map<std::string, std::string> transposed = {};  // constant → copy, of the outermost graph
};

enum class BodySplit {
  kNone,  // bodies stay as they are, and have no origin
  kAll,   // every plain Gemm in them is split
};

/// Whether Gemm `node` is A * B (+ C): alpha and beta 1, A not transposed.
bool is_plain_gemm(const Node& node);

/// What the transposed copy of a constant is called where the name is free.
std::string transposed_name(const std::string& constant);

/// Every plain Gemm that `wanted` flags becomes MatMul "<name>_MatMul" and, with a C, Add
/// "<name>_Add". A constant B that is transposed is stored as "<B>_Transposed", another gets a
/// Transpose node. Names as ONNX Runtime 1.32 gives them.
SplitModel split_gemms(const Model& model, const std::vector<bool>& wanted, BodySplit bodies);

}  // namespace planish::quantize_detail
