#include "torch/ops_normalization.h"

#include "planish/base/checked.h"
#include "torch/ops_common.h"
#include "torch/problems.h"

namespace planish::torch::ops {
namespace {

/// The given tensor, or one filled with `value`. dims: what all of them have.
std::string or_filled(Call& call, std::string_view name, const std::vector<std::int64_t>& dims,
                      float value) {
  if (const auto tensor = call.tensor_if_given(name)) return tensor->name;
  const auto count = static_cast<std::size_t>(checked_element_count(dims));
  return call.constant(Tensor::of(dims, std::vector<float>(count, value)));
}

void emit_batch_norm(Call& call) {
  const auto mean = call.tensor_if_given("running_mean");
  const auto variance = call.tensor_if_given("running_var");
  if (!mean || !variance) {
    call.unsupported(
        "it has no running statistics (track_running_stats=False), so every batch has its own; "
        "train with track_running_stats=True");
  }
  const auto channels = mean->shape.at(0).integer();
  if (!channels) call.unsupported("the number of channels is not known");
  const Value input = call.tensor("input");
  const std::string weight = or_filled(call, "weight", {*channels}, 1.0F);
  const std::string bias = or_filled(call, "bias", {*channels}, 0.0F);
  call.give(call.emit("BatchNormalization", {input.name, weight, bias, mean->name, variance->name},
                      {{"epsilon", static_cast<float>(call.real("eps", 1e-5))}}));
}

/// Mean 0 and variance 1 over what is behind the channels: "" for no weight or bias.
std::string normalized_instances(Call& call, const std::string& value, std::int64_t channels,
                                 const std::string& weight, const std::string& bias, DType dtype) {
  const std::vector<std::int64_t> dims{channels};
  const auto filled = [&](float number) {
    const std::vector<float> numbers(checked_element_count(dims), number);
    return call.cast(call.constant(Tensor::of(dims, numbers)), DType::kFloat32, dtype);
  };
  return call.emit(
      "InstanceNormalization",
      {value, weight.empty() ? filled(1.0F) : weight, bias.empty() ? filled(0.0F) : bias},
      {{"epsilon", static_cast<float>(call.real("eps", 1e-5))}});
}

/// value * weight + bias, each of which holds one number per channel, axis 1 of `input`.
std::string scaled_and_shifted(Call& call, std::string value, const Value& input,
                               std::int64_t channels) {
  SymShape shape(input.shape.size() - 1, SymExpr(1));
  shape.front() = channels;
  if (const auto weight = call.tensor_if_given("weight"))
    value = call.emit("Mul", {value, reshape(call, *weight, shape)});
  if (const auto bias = call.tensor_if_given("bias"))
    value = call.emit("Add", {value, reshape(call, *bias, shape)});
  return value;
}

}  // namespace

void batch_norm(Call& call) {
  const Value input = call.tensor("input");
  // Of one sample and without statistics of its own: how weights are standardized.
  if (!call.given("running_mean") && input.rank() > 2 && input.shape.front().integer() == 1)
    return instance_norm(call);
  if (call.flag("training", false)) batch_norm_training(call);
  emit_batch_norm(call);
}

void batch_norm_no_training(Call& call) { emit_batch_norm(call); }

void batch_norm_training(Call& call) {
  call.unsupported(training_advice("it normalizes with the statistics of the batch"));
}

void layer_norm(Call& call) {
  const Value input = call.tensor("input");
  const std::vector<std::int64_t> dims = call.integers("normalized_shape");
  const std::string weight = or_filled(call, "weight", dims, 1.0F);
  const auto bias = call.tensor_if_given("bias");
  call.give(call.emit("LayerNormalization", {input.name, weight, bias ? bias->name : ""},
                      {{"axis", -static_cast<std::int64_t>(dims.size())},
                       {"epsilon", static_cast<float>(call.real("eps", 1e-5))}}));
}

/// [N, C, …] to [N, g, C/g …], where each group is normalized like a channel.
void group_norm(Call& call) {
  const Value input = call.tensor("input");
  const std::int64_t groups = call.integer(call.given("num_groups") ? "num_groups" : "group");
  const auto channels = input.shape.at(1).integer();
  if (!channels) call.unsupported("the number of channels is not known");
  const std::string grouped = call.emit("Reshape", {input.name, call.ints({0, groups, -1})});
  const std::string normalized = normalized_instances(call, grouped, groups, "", "", input.dtype);
  const std::string value = reshape(call, {normalized, input.dtype, {}}, input.shape);
  call.give(scaled_and_shifted(call, value, input, *channels));
}

void instance_norm(Call& call) {
  const Value input = call.tensor("input");
  if (call.given("running_mean") && !call.flag("use_input_stats", true))
    return emit_batch_norm(call);
  const auto channels = input.shape.at(1).integer();
  if (!channels) call.unsupported("the number of channels is not known");
  const auto weight = call.tensor_if_given("weight");
  const auto bias = call.tensor_if_given("bias");
  call.give(normalized_instances(call, input.name, *channels, weight ? weight->name : "",
                                 bias ? bias->name : "", input.dtype));
}

/// x / sqrt(mean(x^2) + eps) * weight, in the order that ONNX Runtime fuses.
void rms_norm(Call& call) {
  const Value input = call.tensor("input");
  const DType dtype = input.dtype;
  std::vector<std::int64_t> axes;
  for (const std::int64_t size : call.integers("normalized_shape")) {
    (void)size;
    axes.push_back(static_cast<std::int64_t>(axes.size()));
  }
  for (std::int64_t& axis : axes) axis += input.rank() - static_cast<std::int64_t>(axes.size());
  // torch takes the distance of 1 to the next number of the type.
  const double eps = call.real("eps", dtype == DType::kFloat64 ? 0x1p-52 : 0x1p-23);
  const std::string squares = call.emit("Pow", {input.name, call.scalar(2.0, dtype)});
  const std::string mean = reduce(call, "ReduceMean", squares, axes, true);
  const std::string root = call.emit("Sqrt", {call.emit("Add", {mean, call.scalar(eps, dtype)})});
  const std::string value = call.emit("Div", {input.name, root});
  const auto weight = call.tensor_if_given("weight");
  call.give(weight ? call.emit("Mul", {value, weight->name}) : value);
}

/// v * g / |v|, the norm over all axes but `dim`.
void weight_norm(Call& call) {
  const Value v = call.tensor("v");
  const std::int64_t kept = call.axis("dim", v.rank(), 0);
  std::vector<std::int64_t> axes;
  for (std::int64_t axis = 0; axis < v.rank(); ++axis) {
    if (axis != kept) axes.push_back(axis);
  }
  const std::string norm = reduce(call, "ReduceL2", v.name, axes, true);
  const std::string scale = call.emit("Div", {call.tensor("g").name, norm});
  call.give(call.emit("Mul", {v.name, scale}));
}

void dropout(Call& call) {
  if (call.flag("train") && call.real("p") > 0.0)
    call.unsupported(training_advice("it drops values at random"));
  identity(call);
}

void native_dropout(Call& call) {
  if (call.flag("train", true) && call.real("p") > 0.0)
    call.unsupported(training_advice("it drops values at random"));
  identity(call);
}

}  // namespace planish::torch::ops
