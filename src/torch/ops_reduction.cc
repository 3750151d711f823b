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

/// bool as 0 and 1: ONNX reduces numbers only.
void reduced_flags(Call& call, const std::string& op) {
  const Value self = call.tensor("self");
  const std::vector<std::int64_t> axes = call.axes("dim", self.rank());
  const std::string flags = call.operand("self", DType::kBool);
  const std::string numbers = call.cast(flags, DType::kBool, DType::kInt32);
  call.give(reduce(call, op, numbers, axes, call.flag("keepdim", false)), DType::kInt32);
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

void prod(Call& call) { reduced(call, "ReduceProd"); }
void logsumexp(Call& call) { reduced(call, "ReduceLogSumExp"); }

void any(Call& call) { reduced_flags(call, "ReduceMax"); }
void all(Call& call) { reduced_flags(call, "ReduceMin"); }

}  // namespace planish::torch::ops
