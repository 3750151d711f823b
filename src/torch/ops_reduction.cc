#include "torch/ops_reduction.h"

#include "torch/ops_common.h"

namespace planish::torch::ops {
namespace {

void reduced(Call& call, const std::string& op) {
  const Value self = call.tensor("self");
  const std::vector<std::int64_t> axes = call.axes("dim", self.rank());
  const std::string value = call.operand("self", call.result().dtype);
  call.give(reduce(call, op, value, axes, call.flag("keepdim", false)));
}

}  // namespace

void mean(Call& call) {
  const Value self = call.tensor("self");
  const std::vector<std::int64_t> axes = call.axes("dim", self.rank());
  // The mean over a whole image is a pool to the kernels that run it, and to quantization.
  if (self.rank() != 4 || axes != std::vector<std::int64_t>{2, 3} ||
      self.dtype != call.result().dtype) {
    return reduced(call, "ReduceMean");
  }
  const std::string pooled = call.emit("GlobalAveragePool", {self.name});
  call.give(call.flag("keepdim", false)
                ? pooled
                : call.emit("Flatten", {pooled}, {{"axis", std::int64_t{1}}}));
}

void sum(Call& call) { reduced(call, "ReduceSum"); }
void amax(Call& call) { reduced(call, "ReduceMax"); }
void amin(Call& call) { reduced(call, "ReduceMin"); }

void any(Call& call) {
  const Value self = call.tensor("self");
  const std::vector<std::int64_t> axes = call.axes("dim", self.rank());
  const std::string flags = call.operand("self", DType::kBool);
  const std::string numbers = call.cast(flags, DType::kBool, DType::kInt32);
  call.give(reduce(call, "ReduceMax", numbers, axes, call.flag("keepdim", false)), DType::kInt32);
}

}  // namespace planish::torch::ops
