#include "torch/ops_creation.h"

#include "torch/number.h"
#include "torch/ops_common.h"

namespace planish::torch::ops {
namespace {

/// The result's shape filled with a scalar: by name when it is not a constant.
void filled(Call& call, const std::string& scalar) {
  if (call.result().shape.empty()) return call.give(scalar);
  call.give(call.emit("Expand", {scalar, call.symbols().vector_of(call.result().shape)}));
}

}  // namespace

void convert(Call& call) {
  const Value self = call.tensor("self");
  call.give(self.name, self.dtype);
}

void full(Call& call) { filled(call, call.operand("fill_value", call.result().dtype)); }
void zeros(Call& call) { filled(call, call.scalar(0.0, call.result().dtype)); }
void ones(Call& call) { filled(call, call.scalar(1.0, call.result().dtype)); }
void scalar_tensor(Call& call) { call.give(call.operand("s", call.result().dtype)); }

void arange(Call& call) {
  const DType dtype = call.result().dtype;
  const auto bound = [&](std::string_view name, double fallback) {
    return call.given(name) ? call.operand(name, dtype) : call.scalar(fallback, dtype);
  };
  const std::string start = bound("start", 0.0);
  const std::string end = bound("end", 0.0);
  call.give(call.emit("Range", {start, end, bound("step", 1.0)}));
}

}  // namespace planish::torch::ops
