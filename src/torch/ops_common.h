// What several families of operators are made of.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "torch/call.h"

namespace planish::torch::ops {

/// An ONNX operator's name as a template argument: unary<"Relu">.
template <std::size_t N>
struct OpName {
  char text[N];                                                            // NOLINT
  constexpr OpName(const char (&name)[N]) { std::copy_n(name, N, text); }  // NOLINT
};

/// Result 0 is argument "self" (or "input") itself, converted to its type.
void identity(Call& call);

/// An operator of one argument, "self", that is computed in the result's type.
template <OpName kOp>
void unary(Call& call) {
  call.give(call.emit(kOp.text, {call.operand("self", call.result().dtype)}));
}

/// `value` under the sizes `to`. Dimensions that are not known become 0 (the input's own) or -1
/// where that says enough; otherwise sizes are computed when the model runs.
std::string reshape(Call& call, const Value& value, const SymShape& to);
std::string transpose(Call& call, const std::string& value, const std::vector<std::int64_t>& perm);
std::string unsqueeze(Call& call, const std::string& value, const std::vector<std::int64_t>& axes);
std::string squeeze(Call& call, const std::string& value, const std::vector<std::int64_t>& axes);

/// ReduceSum, ReduceMean, ReduceMax …, whose axes are an attribute or an input by opset.
std::string reduce(Call& call, const std::string& op, const std::string& value,
                   const std::vector<std::int64_t>& axes, bool keep_dims);

/// A scalar [] or, where it is computed, a tensor [] of the size.
std::string scalar_size(Call& call, const SymExpr& size);

/// `values`, or its only element `count` times.
std::vector<std::int64_t> spread(std::vector<std::int64_t> values, std::size_t count);

}  // namespace planish::torch::ops
