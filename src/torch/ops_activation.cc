#include "torch/ops_activation.h"

#include <cmath>
#include <numbers>

#include "torch/ops_common.h"

namespace planish::torch::ops {
namespace {

void clip(Call& call, double low, double high) {
  const DType dtype = call.result().dtype;
  call.give(call.emit(
      "Clip", {call.operand("self", dtype), call.scalar(low, dtype), call.scalar(high, dtype)}));
}

void softmax_as(Call& call, const std::string& op) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dim", self.rank());
  call.give(call.emit(op, {call.operand("self", call.result().dtype)}, {{"axis", axis}}));
}

/// 0.5 x (1 + erf(x / sqrt 2)), in the order of nodes that ONNX Runtime fuses to Gelu.
std::string gelu_by_erf(Call& call, const std::string& x, DType dtype) {
  const std::string scaled = call.emit("Div", {x, call.scalar(std::numbers::sqrt2, dtype)});
  const std::string erf = call.emit("Erf", {scaled});
  const std::string sum = call.emit("Add", {erf, call.scalar(1.0, dtype)});
  return call.emit("Mul", {call.emit("Mul", {x, sum}), call.scalar(0.5, dtype)});
}

/// 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), in the order that is fused to FastGelu.
std::string gelu_by_tanh(Call& call, const std::string& x, DType dtype) {
  const std::string cube = call.emit("Pow", {x, call.scalar(3.0, dtype)});
  const std::string term = call.emit("Mul", {cube, call.scalar(0.044715, dtype)});
  const std::string sum = call.emit("Add", {x, term});
  const double factor = std::sqrt(2.0 / std::numbers::pi);
  const std::string tanh = call.emit("Tanh", {call.emit("Mul", {sum, call.scalar(factor, dtype)})});
  const std::string half = call.emit("Mul", {x, call.scalar(0.5, dtype)});
  return call.emit("Mul", {half, call.emit("Add", {tanh, call.scalar(1.0, dtype)})});
}

}  // namespace

void clamp(Call& call) {
  const DType dtype = call.result().dtype;
  std::string value = call.operand("self", dtype);
  const bool numbers = !call.is_tensor("min") && !call.is_tensor("max");
  const std::string min = call.given("min") ? call.operand("min", dtype) : "";
  const std::string max = call.given("max") ? call.operand("max", dtype) : "";
  if (numbers) {
    value = call.emit("Clip", {value, min, max});
  } else {
    if (!min.empty()) value = call.emit("Max", {value, min});
    if (!max.empty()) value = call.emit("Min", {value, max});
  }
  call.give(value);
}

void hardtanh(Call& call) { clip(call, call.real("min_val", -1.0), call.real("max_val", 1.0)); }

void relu6(Call& call) { clip(call, 0.0, 6.0); }

void hardsigmoid(Call& call) {
  call.give(call.emit("HardSigmoid", {call.tensor("self").name},
                      {{"alpha", 1.0F / 6.0F}, {"beta", 0.5F}}));
}

void leaky_relu(Call& call) {
  call.give(call.emit("LeakyRelu", {call.tensor("self").name},
                      {{"alpha", static_cast<float>(call.real("negative_slope", 0.01))}}));
}

void elu(Call& call) {
  if (call.real("scale", 1.0) != 1.0 || call.real("input_scale", 1.0) != 1.0)
    call.unsupported("its scales are not 1");
  call.give(call.emit("Elu", {call.tensor("self").name},
                      {{"alpha", static_cast<float>(call.real("alpha", 1.0))}}));
}

void prelu(Call& call) {
  const Value self = call.tensor("self");
  const Value weight = call.tensor("weight");
  // One slope per channel, axis 1: [C] to [C, 1, 1].
  SymShape shape = weight.shape;
  if (weight.rank() == 1 && self.rank() > 2) shape.resize(self.shape.size() - 1, SymExpr(1));
  call.give(call.emit("PRelu", {self.name, reshape(call, weight, shape)}));
}

void silu(Call& call) {
  const Value self = call.tensor("self");
  call.give(call.emit("Mul", {self.name, call.emit("Sigmoid", {self.name})}));
}

void gelu(Call& call) {
  const Value self = call.tensor("self");
  const std::string kind = call.text("approximate", "none");
  if (call.opset() >= 20) {
    call.give(call.emit("Gelu", {self.name}, {{"approximate", kind}}));
  } else {
    call.give(kind == "tanh" ? gelu_by_tanh(call, self.name, self.dtype)
                             : gelu_by_erf(call, self.name, self.dtype));
  }
}

void softmax(Call& call) { softmax_as(call, "Softmax"); }

void log_softmax(Call& call) { softmax_as(call, "LogSoftmax"); }

}  // namespace planish::torch::ops
