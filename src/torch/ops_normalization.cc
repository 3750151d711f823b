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

}  // namespace

void batch_norm(Call& call) {
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
