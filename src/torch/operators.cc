// One row per operator of ATen that can be imported. To add one: HACKING.md.
#include "torch/operators.h"

#include <algorithm>
#include <array>

#include "planish/torch/import.h"
#include "torch/ops_activation.h"
#include "torch/ops_arithmetic.h"
#include "torch/ops_common.h"
#include "torch/ops_convolution.h"
#include "torch/ops_creation.h"
#include "torch/ops_indexing.h"
#include "torch/ops_linear.h"
#include "torch/ops_normalization.h"
#include "torch/ops_pool.h"
#include "torch/ops_reduction.h"
#include "torch/ops_shape.h"

namespace planish::torch {
namespace {

constexpr Aliasing kView = Aliasing::kView;

// One row, one line.
// clang-format off
constexpr std::array kOperators{
    OperatorRow{"aten.__and__.Scalar", "And", ops::logical_and},
    OperatorRow{"aten.__and__.Tensor", "And", ops::logical_and},
    OperatorRow{"aten.__or__.Scalar", "Or", ops::logical_or},
    OperatorRow{"aten.__or__.Tensor", "Or", ops::logical_or},
    OperatorRow{"aten.__xor__.Tensor", "Xor", ops::logical_xor},
    OperatorRow{"aten._adaptive_avg_pool2d.default", "GlobalAveragePool, AveragePool", ops::adaptive_avg_pool},
    OperatorRow{"aten._adaptive_avg_pool3d.default", "GlobalAveragePool, AveragePool", ops::adaptive_avg_pool},
    OperatorRow{"aten._log_softmax.default", "LogSoftmax", ops::log_softmax},
    OperatorRow{"aten._native_batch_norm_legit.default", "refused: training", ops::batch_norm_training},
    OperatorRow{"aten._native_batch_norm_legit.no_stats", "refused: training", ops::batch_norm_training},
    OperatorRow{"aten._native_batch_norm_legit_functional.default", "refused: training", ops::batch_norm_training},
    OperatorRow{"aten._native_batch_norm_legit_no_training.default", "BatchNormalization", ops::batch_norm_no_training},
    OperatorRow{"aten._prelu_kernel.default", "PRelu", ops::prelu},
    OperatorRow{"aten._safe_softmax.default", "Softmax", ops::softmax},
    OperatorRow{"aten._softmax.default", "Softmax", ops::softmax},
    OperatorRow{"aten._to_copy.default", "Cast, nothing", ops::convert},
    OperatorRow{"aten._unsafe_index.Tensor", "Gather, GatherND", ops::index},
    OperatorRow{"aten._unsafe_view.default", "Reshape", ops::view, kView},
    OperatorRow{"aten.abs.default", "Abs", ops::unary<"Abs">},
    OperatorRow{"aten.adaptive_avg_pool1d.default", "GlobalAveragePool, AveragePool", ops::adaptive_avg_pool},
    OperatorRow{"aten.adaptive_avg_pool2d.default", "GlobalAveragePool, AveragePool", ops::adaptive_avg_pool},
    OperatorRow{"aten.adaptive_avg_pool3d.default", "GlobalAveragePool, AveragePool", ops::adaptive_avg_pool},
    OperatorRow{"aten.add.Scalar", "Add", ops::add},
    OperatorRow{"aten.add.Tensor", "Add", ops::add},
    OperatorRow{"aten.addmm.default", "Gemm", ops::addmm},
    OperatorRow{"aten.alias.default", "nothing", ops::identity, kView},
    OperatorRow{"aten.alpha_dropout.default", "nothing; refused when active", ops::dropout, kView},
    OperatorRow{"aten.amax.default", "ReduceMax", ops::amax},
    OperatorRow{"aten.amin.default", "ReduceMin", ops::amin},
    OperatorRow{"aten.any.default", "ReduceMax", ops::any},
    OperatorRow{"aten.any.dim", "ReduceMax", ops::any},
    OperatorRow{"aten.any.dims", "ReduceMax", ops::any},
    OperatorRow{"aten.arange.default", "Range", ops::arange},
    OperatorRow{"aten.arange.start", "Range", ops::arange},
    OperatorRow{"aten.arange.start_step", "Range", ops::arange},
    OperatorRow{"aten.avg_pool1d.default", "AveragePool", ops::avg_pool},
    OperatorRow{"aten.avg_pool2d.default", "AveragePool", ops::avg_pool},
    OperatorRow{"aten.avg_pool3d.default", "AveragePool", ops::avg_pool},
    OperatorRow{"aten.baddbmm.default", "MatMul + Add", ops::baddbmm},
    OperatorRow{"aten.batch_norm.default", "BatchNormalization", ops::batch_norm},
    OperatorRow{"aten.bitwise_and.Scalar", "And", ops::logical_and},
    OperatorRow{"aten.bitwise_and.Tensor", "And", ops::logical_and},
    OperatorRow{"aten.bitwise_not.default", "Not", ops::logical_not},
    OperatorRow{"aten.bitwise_or.Scalar", "Or", ops::logical_or},
    OperatorRow{"aten.bitwise_or.Tensor", "Or", ops::logical_or},
    OperatorRow{"aten.bitwise_xor.Scalar", "Xor", ops::logical_xor},
    OperatorRow{"aten.bitwise_xor.Tensor", "Xor", ops::logical_xor},
    OperatorRow{"aten.bmm.default", "MatMul", ops::mm},
    OperatorRow{"aten.cat.default", "Concat", ops::cat},
    OperatorRow{"aten.ceil.default", "Ceil", ops::unary<"Ceil">},
    OperatorRow{"aten.chunk.default", "Split", ops::split, kView},
    OperatorRow{"aten.clamp.Tensor", "Clip, Max + Min", ops::clamp},
    OperatorRow{"aten.clamp.default", "Clip, Max + Min", ops::clamp},
    OperatorRow{"aten.clamp_max.Tensor", "Clip, Max + Min", ops::clamp},
    OperatorRow{"aten.clamp_max.default", "Clip, Max + Min", ops::clamp},
    OperatorRow{"aten.clamp_min.Tensor", "Clip, Max + Min", ops::clamp},
    OperatorRow{"aten.clamp_min.default", "Clip, Max + Min", ops::clamp},
    OperatorRow{"aten.clone.default", "nothing", ops::identity},
    OperatorRow{"aten.concat.default", "Concat", ops::cat},
    OperatorRow{"aten.constant_pad_nd.default", "Pad", ops::constant_pad},
    OperatorRow{"aten.contiguous.default", "nothing", ops::identity, kView},
    OperatorRow{"aten.conv1d.default", "Conv", ops::conv},
    OperatorRow{"aten.conv1d.padding", "Conv", ops::conv_padding},
    OperatorRow{"aten.conv2d.default", "Conv", ops::conv},
    OperatorRow{"aten.conv2d.padding", "Conv", ops::conv_padding},
    OperatorRow{"aten.conv3d.default", "Conv", ops::conv},
    OperatorRow{"aten.conv3d.padding", "Conv", ops::conv_padding},
    OperatorRow{"aten.conv_transpose1d.default", "ConvTranspose", ops::conv_transpose},
    OperatorRow{"aten.conv_transpose2d.input", "ConvTranspose", ops::conv_transpose},
    OperatorRow{"aten.conv_transpose3d.input", "ConvTranspose", ops::conv_transpose},
    OperatorRow{"aten.convolution.default", "Conv, ConvTranspose", ops::convolution},
    OperatorRow{"aten.cos.default", "Cos", ops::unary<"Cos">},
    OperatorRow{"aten.detach.default", "nothing", ops::identity, kView},
    OperatorRow{"aten.detach_copy.default", "nothing", ops::identity},
    OperatorRow{"aten.div.Scalar", "Div", ops::div},
    OperatorRow{"aten.div.Scalar_mode", "Div + Floor", ops::div_mode},
    OperatorRow{"aten.div.Tensor", "Div", ops::div},
    OperatorRow{"aten.div.Tensor_mode", "Div + Floor", ops::div_mode},
    OperatorRow{"aten.dropout.default", "nothing; refused when active", ops::dropout, kView},
    OperatorRow{"aten.elu.default", "Elu", ops::elu},
    OperatorRow{"aten.embedding.default", "Gather", ops::embedding},
    OperatorRow{"aten.empty.memory_format", "Expand", ops::zeros},
    OperatorRow{"aten.empty_like.default", "Expand", ops::zeros},
    OperatorRow{"aten.eq.Scalar", "Equal", ops::eq},
    OperatorRow{"aten.eq.Tensor", "Equal", ops::eq},
    OperatorRow{"aten.erf.default", "Erf", ops::unary<"Erf">},
    OperatorRow{"aten.exp.default", "Exp", ops::unary<"Exp">},
    OperatorRow{"aten.expand.default", "Expand", ops::expand, kView},
    OperatorRow{"aten.expand_as.default", "Expand", ops::expand, kView},
    OperatorRow{"aten.feature_dropout.default", "nothing; refused when active", ops::dropout, kView},
    OperatorRow{"aten.flatten.using_ints", "Flatten, Reshape", ops::flatten, kView},
    OperatorRow{"aten.floor.default", "Floor", ops::unary<"Floor">},
    OperatorRow{"aten.floor_divide.Scalar", "Div + Floor", ops::floor_divide},
    OperatorRow{"aten.floor_divide.default", "Div + Floor", ops::floor_divide},
    OperatorRow{"aten.full.default", "Expand", ops::full},
    OperatorRow{"aten.full_like.default", "Expand", ops::full},
    OperatorRow{"aten.ge.Scalar", "GreaterOrEqual", ops::ge},
    OperatorRow{"aten.ge.Tensor", "GreaterOrEqual", ops::ge},
    OperatorRow{"aten.gelu.default", "Gelu, Erf", ops::gelu},
    OperatorRow{"aten.gt.Scalar", "Greater", ops::gt},
    OperatorRow{"aten.gt.Tensor", "Greater", ops::gt},
    OperatorRow{"aten.hardsigmoid.default", "HardSigmoid", ops::hardsigmoid},
    OperatorRow{"aten.hardswish.default", "HardSwish", ops::unary<"HardSwish">},
    OperatorRow{"aten.hardtanh.default", "Clip", ops::hardtanh},
    OperatorRow{"aten.index.Tensor", "Gather, GatherND", ops::index},
    OperatorRow{"aten.index_select.default", "Gather", ops::index_select},
    OperatorRow{"aten.layer_norm.default", "LayerNormalization", ops::layer_norm},
    OperatorRow{"aten.le.Scalar", "LessOrEqual", ops::le},
    OperatorRow{"aten.le.Tensor", "LessOrEqual", ops::le},
    OperatorRow{"aten.leaky_relu.default", "LeakyRelu", ops::leaky_relu},
    OperatorRow{"aten.lift_fresh.default", "nothing", ops::identity, kView},
    OperatorRow{"aten.lift_fresh_copy.default", "nothing", ops::identity},
    OperatorRow{"aten.linear.default", "Gemm, MatMul + Add", ops::linear},
    OperatorRow{"aten.log.default", "Log", ops::unary<"Log">},
    OperatorRow{"aten.log_softmax.int", "LogSoftmax", ops::log_softmax},
    OperatorRow{"aten.logical_and.default", "And", ops::logical_and},
    OperatorRow{"aten.logical_not.default", "Not", ops::logical_not},
    OperatorRow{"aten.logical_or.default", "Or", ops::logical_or},
    OperatorRow{"aten.logical_xor.default", "Xor", ops::logical_xor},
    OperatorRow{"aten.lt.Scalar", "Less", ops::lt},
    OperatorRow{"aten.lt.Tensor", "Less", ops::lt},
    OperatorRow{"aten.mT.default", "Transpose", ops::exchange_last_axes, kView},
    OperatorRow{"aten.masked_fill.Scalar", "Where", ops::masked_fill},
    OperatorRow{"aten.masked_fill.Tensor", "Where", ops::masked_fill},
    OperatorRow{"aten.matmul.default", "MatMul", ops::matmul},
    OperatorRow{"aten.max.default", "ReduceMax", ops::amax},
    OperatorRow{"aten.max_pool1d.default", "MaxPool", ops::max_pool},
    OperatorRow{"aten.max_pool1d_with_indices.default", "MaxPool", ops::max_pool},
    OperatorRow{"aten.max_pool2d.default", "MaxPool", ops::max_pool},
    OperatorRow{"aten.max_pool2d_with_indices.default", "MaxPool", ops::max_pool},
    OperatorRow{"aten.max_pool3d.default", "MaxPool", ops::max_pool},
    OperatorRow{"aten.max_pool3d_with_indices.default", "MaxPool", ops::max_pool},
    OperatorRow{"aten.maximum.default", "Max", ops::maximum},
    OperatorRow{"aten.mean.default", "ReduceMean, GlobalAveragePool", ops::mean},
    OperatorRow{"aten.mean.dim", "ReduceMean, GlobalAveragePool", ops::mean},
    OperatorRow{"aten.min.default", "ReduceMin", ops::amin},
    OperatorRow{"aten.minimum.default", "Min", ops::minimum},
    OperatorRow{"aten.mm.default", "MatMul", ops::mm},
    OperatorRow{"aten.mul.Scalar", "Mul", ops::mul},
    OperatorRow{"aten.mul.Tensor", "Mul", ops::mul},
    OperatorRow{"aten.native_dropout.default", "nothing; refused when active", ops::native_dropout},
    OperatorRow{"aten.native_layer_norm.default", "LayerNormalization", ops::layer_norm},
    OperatorRow{"aten.ne.Scalar", "Equal + Not", ops::ne},
    OperatorRow{"aten.ne.Tensor", "Equal + Not", ops::ne},
    OperatorRow{"aten.neg.default", "Neg", ops::unary<"Neg">},
    OperatorRow{"aten.new_empty.default", "Expand", ops::zeros},
    OperatorRow{"aten.new_full.default", "Expand", ops::full},
    OperatorRow{"aten.new_ones.default", "Expand", ops::ones},
    OperatorRow{"aten.new_zeros.default", "Expand", ops::zeros},
    OperatorRow{"aten.numpy_T.default", "Transpose", ops::t, kView},
    OperatorRow{"aten.ones.default", "Expand", ops::ones},
    OperatorRow{"aten.ones_like.default", "Expand", ops::ones},
    OperatorRow{"aten.pad.default", "Pad", ops::pad},
    OperatorRow{"aten.permute.default", "Transpose", ops::permute, kView},
    OperatorRow{"aten.pow.Scalar", "Pow, Mul, Sqrt", ops::pow},
    OperatorRow{"aten.pow.Tensor_Scalar", "Pow, Mul, Sqrt", ops::pow},
    OperatorRow{"aten.pow.Tensor_Tensor", "Pow, Mul, Sqrt", ops::pow},
    OperatorRow{"aten.prelu.default", "PRelu", ops::prelu},
    OperatorRow{"aten.reciprocal.default", "Reciprocal", ops::unary<"Reciprocal">},
    OperatorRow{"aten.reflection_pad1d.default", "Pad", ops::reflection_pad},
    OperatorRow{"aten.reflection_pad2d.default", "Pad", ops::reflection_pad},
    OperatorRow{"aten.reflection_pad3d.default", "Pad", ops::reflection_pad},
    OperatorRow{"aten.relu.default", "Relu", ops::unary<"Relu">},
    OperatorRow{"aten.relu6.default", "Clip", ops::relu6},
    OperatorRow{"aten.replication_pad1d.default", "Pad", ops::replication_pad},
    OperatorRow{"aten.replication_pad2d.default", "Pad", ops::replication_pad},
    OperatorRow{"aten.replication_pad3d.default", "Pad", ops::replication_pad},
    OperatorRow{"aten.reshape.default", "Reshape", ops::view, kView},
    OperatorRow{"aten.reshape_as.default", "Reshape", ops::view, kView},
    OperatorRow{"aten.round.default", "Round", ops::unary<"Round">},
    OperatorRow{"aten.rsqrt.default", "Sqrt + Reciprocal", ops::rsqrt},
    OperatorRow{"aten.rsub.Scalar", "Sub", ops::rsub},
    OperatorRow{"aten.rsub.Tensor", "Sub", ops::rsub},
    OperatorRow{"aten.scalar_tensor.default", "a constant", ops::scalar_tensor},
    OperatorRow{"aten.scaled_dot_product_attention.default", "MatMul + Softmax + MatMul", ops::scaled_dot_product_attention},
    OperatorRow{"aten.select.int", "Gather", ops::select, kView},
    OperatorRow{"aten.sigmoid.default", "Sigmoid", ops::unary<"Sigmoid">},
    OperatorRow{"aten.sign.default", "Sign", ops::unary<"Sign">},
    OperatorRow{"aten.silu.default", "Sigmoid + Mul", ops::silu},
    OperatorRow{"aten.sin.default", "Sin", ops::unary<"Sin">},
    OperatorRow{"aten.slice.Tensor", "Slice", ops::slice, kView},
    OperatorRow{"aten.softmax.int", "Softmax", ops::softmax},
    OperatorRow{"aten.split.Tensor", "Split", ops::split, kView},
    OperatorRow{"aten.split.sizes", "Split", ops::split, kView},
    OperatorRow{"aten.split_with_sizes.default", "Split", ops::split, kView},
    OperatorRow{"aten.sqrt.default", "Sqrt", ops::unary<"Sqrt">},
    OperatorRow{"aten.squeeze.default", "Squeeze", ops::squeeze_axes, kView},
    OperatorRow{"aten.squeeze.dim", "Squeeze", ops::squeeze_axes, kView},
    OperatorRow{"aten.squeeze.dims", "Squeeze", ops::squeeze_axes, kView},
    OperatorRow{"aten.stack.default", "Unsqueeze + Concat", ops::stack},
    OperatorRow{"aten.sub.Scalar", "Sub", ops::sub},
    OperatorRow{"aten.sub.Tensor", "Sub", ops::sub},
    OperatorRow{"aten.sum.default", "ReduceSum", ops::sum},
    OperatorRow{"aten.sum.dim_IntList", "ReduceSum", ops::sum},
    OperatorRow{"aten.t.default", "Transpose", ops::t, kView},
    OperatorRow{"aten.tanh.default", "Tanh", ops::unary<"Tanh">},
    OperatorRow{"aten.to.device", "Cast, nothing", ops::convert, kView},
    OperatorRow{"aten.to.dtype", "Cast, nothing", ops::convert, kView},
    OperatorRow{"aten.to.dtype_layout", "Cast, nothing", ops::convert, kView},
    OperatorRow{"aten.to.other", "Cast, nothing", ops::convert, kView},
    OperatorRow{"aten.transpose.int", "Transpose", ops::transpose_axes, kView},
    OperatorRow{"aten.type_as.default", "Cast, nothing", ops::convert, kView},
    OperatorRow{"aten.unbind.int", "Gather", ops::unbind, kView},
    OperatorRow{"aten.unflatten.int", "Reshape", ops::view, kView},
    OperatorRow{"aten.unsqueeze.default", "Unsqueeze", ops::unsqueeze_axis, kView},
    OperatorRow{"aten.view.default", "Reshape", ops::view, kView},
    OperatorRow{"aten.view_as.default", "Reshape", ops::view, kView},
    OperatorRow{"aten.where.Scalar", "Where", ops::where},
    OperatorRow{"aten.where.ScalarOther", "Where", ops::where},
    OperatorRow{"aten.where.ScalarSelf", "Where", ops::where},
    OperatorRow{"aten.where.self", "Where", ops::where},
    OperatorRow{"aten.zero.default", "Expand", ops::zeros},
    OperatorRow{"aten.zeros.default", "Expand", ops::zeros},
    OperatorRow{"aten.zeros_like.default", "Expand", ops::zeros},
};
// clang-format on

constexpr bool overloads_are_sorted_and_unique() {
  for (std::size_t i = 1; i < kOperators.size(); ++i) {
    if (kOperators.at(i - 1).overload >= kOperators.at(i).overload) return false;
  }
  return true;
}
static_assert(overloads_are_sorted_and_unique(),
              "kOperators: one row per overload, in alphabetical order");

const OperatorRow* find_row(std::string_view overload) {
  const auto* const row =
      std::ranges::lower_bound(kOperators, overload, {}, &OperatorRow::overload);
  return row != kOperators.end() && row->overload == overload ? row : nullptr;
}

/// Where the "_" of an in-place operator stands: before the "." of "aten.relu_.default". Not of
/// "aten.__and__.Tensor".
std::size_t in_place_mark(std::string_view overload) {
  const std::size_t dot = overload.rfind('.');
  if (dot == std::string_view::npos || dot < 2) return std::string_view::npos;
  const bool marked = overload[dot - 1] == '_' && overload[dot - 2] != '_';
  return marked ? dot - 1 : std::string_view::npos;
}

}  // namespace

std::span<const OperatorRow> operator_rows() { return kOperators; }

std::string_view overload_of(std::string_view target) {
  constexpr std::string_view kPrefix = "torch.ops.";
  const bool higher_order = target.starts_with("torch.ops.higher_order.");
  return target.starts_with(kPrefix) && !higher_order ? target.substr(kPrefix.size()) : target;
}

bool is_in_place(std::string_view target) {
  return in_place_mark(overload_of(target)) != std::string_view::npos;
}

const OperatorRow* find_operator(std::string_view target) {
  const std::string_view overload = overload_of(target);
  if (const OperatorRow* const row = find_row(overload)) return row;
  const std::size_t mark = in_place_mark(overload);
  if (mark == std::string_view::npos) return nullptr;
  std::string functional(overload);
  functional.erase(mark, 1);
  return find_row(functional);
}

}  // namespace planish::torch

namespace planish {

std::vector<TorchOperator> torch_operators() {
  std::vector<TorchOperator> operators;
  for (const torch::OperatorRow& row : torch::operator_rows())
    operators.push_back({row.overload, row.lowered_to});
  return operators;
}

std::string torch_operators_markdown() {
  std::string text = "| operator | lowered to |\n| --- | --- |\n";
  for (const torch::OperatorRow& row : torch::operator_rows()) {
    text += "| `" + std::string(row.overload) + "` | " + std::string(row.lowered_to) + " |\n";
  }
  return text;
}

}  // namespace planish
