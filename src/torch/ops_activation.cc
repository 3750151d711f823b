#include "torch/ops_activation.h"

#include <cmath>
#include <numbers>

#include "torch/ops_common.h"
#include "torch/problems.h"

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

void shrink(Call& call, double bias) {
  call.give(call.emit("Shrink", {call.tensor("self").name},
                      {{"lambd", static_cast<float>(call.real("lambd", 0.5))},
                       {"bias", static_cast<float>(bias)}}));
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

/// scale * (max(0, x) + min(0, alpha (exp(input_scale x) - 1))): what selu and celu are in core
/// ATen.
void elu(Call& call) {
  const Value self = call.tensor("self");
  const double alpha = call.real("alpha", 1.0);
  const double scale = call.real("scale", 1.0);
  const double input_scale = call.real("input_scale", 1.0);
  std::string value;
  if (input_scale == 1.0) {
    value = call.emit("Elu", {self.name}, {{"alpha", static_cast<float>(alpha)}});
  } else if (alpha * input_scale == 1.0) {
    value = call.emit("Celu", {self.name}, {{"alpha", static_cast<float>(alpha)}});
  } else {
    call.unsupported("its scales are those of neither elu, selu nor celu");
  }
  if (scale != 1.0) value = call.emit("Mul", {value, call.scalar(scale, self.dtype)});
  call.give(value);
}

void celu(Call& call) {
  call.give(call.emit("Celu", {call.tensor("self").name},
                      {{"alpha", static_cast<float>(call.real("alpha", 1.0))}}));
}

/// Half of the channels, times the sigmoid of the other half.
void glu(Call& call) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dim", self.rank(), -1);
  const SymExpr half = call.result().shape.at(static_cast<std::size_t>(axis));
  const auto parts = call.emit_many("Split", {self.name, call.symbols().vector_of({half, half})}, 2,
                                    {{"axis", axis}});
  call.give(call.emit("Mul", {parts[0], call.emit("Sigmoid", {parts[1]})}));
}

void hardshrink(Call& call) { shrink(call, 0.0); }
void softshrink(Call& call) { shrink(call, call.real("lambd", 0.5)); }

/// -softplus(-x).
void log_sigmoid(Call& call) {
  const std::string negative = call.emit("Neg", {call.tensor("self").name});
  call.give(call.emit("Neg", {call.emit("Softplus", {negative})}));
}

void mish(Call& call) {
  const Value self = call.tensor("self");
  const std::string gate = call.emit("Tanh", {call.emit("Softplus", {self.name})});
  call.give(call.emit("Mul", {self.name, gate}));
}

/// In evaluation mode the slope is the middle of its range.
void rrelu(Call& call) {
  if (call.flag("training", false)) call.unsupported(training_advice("it draws slopes at random"));
  const double slope = (call.real("lower", 1.0 / 8.0) + call.real("upper", 1.0 / 3.0)) / 2.0;
  call.give(
      call.emit("LeakyRelu", {call.tensor("self").name}, {{"alpha", static_cast<float>(slope)}}));
}

/// log(1 + exp(beta x)) / beta. torch gives x itself above a threshold, where the two are equal to
/// the last bit of float32 when it is the usual 20.
void softplus(Call& call) {
  const Value self = call.tensor("self");
  const double beta = call.real("beta", 1.0);
  if (call.real("threshold", 20.0) < 15.0) call.unsupported("a threshold below 15");
  std::string value = self.name;
  if (beta != 1.0) value = call.emit("Mul", {value, call.scalar(beta, self.dtype)});
  value = call.emit("Softplus", {value});
  if (beta != 1.0) value = call.emit("Div", {value, call.scalar(beta, self.dtype)});
  call.give(value);
}

void threshold(Call& call) {
  const Value self = call.tensor("self");
  const std::string above =
      call.emit("Greater", {self.name, call.operand("threshold", self.dtype)});
  call.give(call.emit("Where", {above, self.name, call.operand("value", self.dtype)}));
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
