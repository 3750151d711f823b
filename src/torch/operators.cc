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
#include "torch/ops_layout.h"
#include "torch/ops_linear.h"
#include "torch/ops_math.h"
#include "torch/ops_normalization.h"
#include "torch/ops_order.h"
#include "torch/ops_pool.h"
#include "torch/ops_recurrent.h"
#include "torch/ops_reduction.h"
#include "torch/ops_resize.h"
#include "torch/ops_scatter.h"
#include "torch/ops_shape.h"
#include "torch/ops_statistics.h"
#include "torch/ops_views.h"

namespace planish::torch {
namespace {

// One row, one line.
// clang-format off
// (A deduced std::array of so many rows is too much for clang 14, which the fuzzers are built with.)
constexpr auto kOperators = std::to_array<OperatorRow>({
    OperatorRow{"aten.__and__.Scalar", "And", ops::logical_and},
    OperatorRow{"aten.__and__.Tensor", "And", ops::logical_and},
    OperatorRow{"aten.__or__.Scalar", "Or", ops::logical_or},
    OperatorRow{"aten.__or__.Tensor", "Or", ops::logical_or},
    OperatorRow{"aten.__xor__.Tensor", "Xor", ops::logical_xor},
    OperatorRow{"aten._adaptive_avg_pool2d.default", "GlobalAveragePool, AveragePool", ops::adaptive_avg_pool},
    OperatorRow{"aten._adaptive_avg_pool3d.default", "GlobalAveragePool, AveragePool", ops::adaptive_avg_pool},
    OperatorRow{"aten._cdist_forward.default", "Sub + ReduceL2", ops::cdist},
    OperatorRow{"aten._convolution.default", "Conv, ConvTranspose", ops::convolution},
    OperatorRow{"aten._fused_rms_norm.default", "Pow + ReduceMean + Sqrt + Div + Mul", ops::rms_norm},
    OperatorRow{"aten._log_softmax.default", "LogSoftmax", ops::log_softmax},
    OperatorRow{"aten._native_batch_norm_legit.default", "refused: training", ops::batch_norm_training},
    OperatorRow{"aten._native_batch_norm_legit.no_stats", "InstanceNormalization; refused: training", ops::batch_norm},
    OperatorRow{"aten._native_batch_norm_legit_functional.default", "refused: training", ops::batch_norm_training},
    OperatorRow{"aten._native_batch_norm_legit_no_training.default", "BatchNormalization", ops::batch_norm_no_training},
    OperatorRow{"aten._prelu_kernel.default", "PRelu", ops::prelu},
    OperatorRow{"aten._safe_softmax.default", "Softmax", ops::softmax},
    OperatorRow{"aten._scaled_dot_product_flash_attention_for_cpu.default", "MatMul + Softmax + MatMul", ops::scaled_dot_product_attention},
    OperatorRow{"aten._softmax.default", "Softmax", ops::softmax},
    OperatorRow{"aten._to_copy.default", "Cast, nothing", ops::convert},
    OperatorRow{"aten._unsafe_index.Tensor", "Gather, GatherND", ops::index},
    OperatorRow{"aten._unsafe_index_put.default", "ScatterND, Where", ops::index_put},
    OperatorRow{"aten._unsafe_view.default", "Reshape", ops::view, ops::write_reshaped},
    OperatorRow{"aten._upsample_bicubic2d_aa.default", "MatMul", ops::upsample_antialiased},
    OperatorRow{"aten._upsample_bicubic2d_aa.vec", "MatMul", ops::upsample_antialiased},
    OperatorRow{"aten._upsample_bilinear2d_aa.default", "MatMul", ops::upsample_antialiased},
    OperatorRow{"aten._upsample_bilinear2d_aa.vec", "MatMul", ops::upsample_antialiased},
    OperatorRow{"aten._upsample_nearest_exact1d.vec", "Resize", ops::upsample},
    OperatorRow{"aten._upsample_nearest_exact2d.default", "Resize", ops::upsample},
    OperatorRow{"aten._upsample_nearest_exact2d.vec", "Resize", ops::upsample},
    OperatorRow{"aten._upsample_nearest_exact3d.vec", "Resize", ops::upsample},
    OperatorRow{"aten._weight_norm.default", "ReduceL2 + Div + Mul", ops::weight_norm},
    OperatorRow{"aten._weight_norm_interface.default", "ReduceL2 + Div + Mul", ops::weight_norm},
    OperatorRow{"aten.abs.default", "Abs", ops::unary<"Abs">},
    OperatorRow{"aten.absolute.default", "Abs", ops::unary<"Abs">},
    OperatorRow{"aten.acos.default", "Acos", ops::unary<"Acos">},
    OperatorRow{"aten.acosh.default", "Acosh", ops::unary<"Acosh">},
    OperatorRow{"aten.adaptive_avg_pool1d.default", "GlobalAveragePool, AveragePool", ops::adaptive_avg_pool},
    OperatorRow{"aten.adaptive_avg_pool2d.default", "GlobalAveragePool, AveragePool", ops::adaptive_avg_pool},
    OperatorRow{"aten.adaptive_avg_pool3d.default", "GlobalAveragePool, AveragePool", ops::adaptive_avg_pool},
    OperatorRow{"aten.adaptive_max_pool1d.default", "GlobalMaxPool, MaxPool", ops::adaptive_max_pool},
    OperatorRow{"aten.adaptive_max_pool2d.default", "GlobalMaxPool, MaxPool", ops::adaptive_max_pool},
    OperatorRow{"aten.adaptive_max_pool3d.default", "GlobalMaxPool, MaxPool", ops::adaptive_max_pool},
    OperatorRow{"aten.add.Scalar", "Add", ops::add},
    OperatorRow{"aten.add.Tensor", "Add", ops::add},
    OperatorRow{"aten.addcdiv.default", "Div + Add", ops::addcdiv},
    OperatorRow{"aten.addcmul.default", "Mul + Add", ops::addcmul},
    OperatorRow{"aten.addmm.default", "Gemm", ops::addmm},
    OperatorRow{"aten.affine_grid_generator.default", "MatMul", ops::affine_grid_generator},
    OperatorRow{"aten.alias.default", "nothing", ops::identity, ops::write_same},
    OperatorRow{"aten.all.default", "ReduceMin", ops::all},
    OperatorRow{"aten.all.dim", "ReduceMin", ops::all},
    OperatorRow{"aten.all.dims", "ReduceMin", ops::all},
    OperatorRow{"aten.alpha_dropout.default", "nothing; refused when active", ops::dropout, ops::write_same},
    OperatorRow{"aten.amax.default", "ReduceMax", ops::amax},
    OperatorRow{"aten.amin.default", "ReduceMin", ops::amin},
    OperatorRow{"aten.any.default", "ReduceMax", ops::any},
    OperatorRow{"aten.any.dim", "ReduceMax", ops::any},
    OperatorRow{"aten.any.dims", "ReduceMax", ops::any},
    OperatorRow{"aten.arange.default", "Range", ops::arange},
    OperatorRow{"aten.arange.start", "Range", ops::arange},
    OperatorRow{"aten.arange.start_step", "Range", ops::arange},
    OperatorRow{"aten.argmax.default", "ArgMax", ops::argmax},
    OperatorRow{"aten.argmin.default", "ArgMin", ops::argmin},
    OperatorRow{"aten.argsort.default", "TopK", ops::argsort},
    OperatorRow{"aten.argsort.stable", "TopK", ops::argsort},
    OperatorRow{"aten.asin.default", "Asin", ops::unary<"Asin">},
    OperatorRow{"aten.asinh.default", "Asinh", ops::unary<"Asinh">},
    OperatorRow{"aten.atan.default", "Atan", ops::unary<"Atan">},
    OperatorRow{"aten.atan2.default", "Atan, Where", ops::atan2},
    OperatorRow{"aten.atanh.default", "Atanh", ops::unary<"Atanh">},
    OperatorRow{"aten.avg_pool1d.default", "AveragePool", ops::avg_pool},
    OperatorRow{"aten.avg_pool2d.default", "AveragePool", ops::avg_pool},
    OperatorRow{"aten.avg_pool3d.default", "AveragePool", ops::avg_pool},
    OperatorRow{"aten.baddbmm.default", "MatMul + Add", ops::baddbmm},
    OperatorRow{"aten.batch_norm.default", "BatchNormalization", ops::batch_norm},
    OperatorRow{"aten.bernoulli.default", "refused: random", ops::random},
    OperatorRow{"aten.bernoulli.p", "refused: random", ops::random},
    OperatorRow{"aten.bitwise_and.Scalar", "And", ops::logical_and},
    OperatorRow{"aten.bitwise_and.Tensor", "And", ops::logical_and},
    OperatorRow{"aten.bitwise_not.default", "Not", ops::logical_not},
    OperatorRow{"aten.bitwise_or.Scalar", "Or", ops::logical_or},
    OperatorRow{"aten.bitwise_or.Tensor", "Or", ops::logical_or},
    OperatorRow{"aten.bitwise_xor.Scalar", "Xor", ops::logical_xor},
    OperatorRow{"aten.bitwise_xor.Tensor", "Xor", ops::logical_xor},
    OperatorRow{"aten.bmm.default", "MatMul", ops::mm},
    OperatorRow{"aten.cat.default", "Concat", ops::cat},
    OperatorRow{"aten.cdist.default", "Sub + ReduceL2", ops::cdist},
    OperatorRow{"aten.ceil.default", "Ceil", ops::unary<"Ceil">},
    OperatorRow{"aten.celu.default", "Celu", ops::celu},
    OperatorRow{"aten.channel_shuffle.default", "Reshape + Transpose + Reshape", ops::channel_shuffle},
    OperatorRow{"aten.chunk.default", "Split", ops::split, ops::write_part},
    OperatorRow{"aten.clamp.Tensor", "Clip, Max + Min", ops::clamp},
    OperatorRow{"aten.clamp.default", "Clip, Max + Min", ops::clamp},
    OperatorRow{"aten.clamp_max.Tensor", "Clip, Max + Min", ops::clamp},
    OperatorRow{"aten.clamp_max.default", "Clip, Max + Min", ops::clamp},
    OperatorRow{"aten.clamp_min.Tensor", "Clip, Max + Min", ops::clamp},
    OperatorRow{"aten.clamp_min.default", "Clip, Max + Min", ops::clamp},
    OperatorRow{"aten.clip.Tensor", "Clip, Max + Min", ops::clamp},
    OperatorRow{"aten.clip.default", "Clip, Max + Min", ops::clamp},
    OperatorRow{"aten.clone.default", "nothing", ops::identity},
    OperatorRow{"aten.col2im.default", "ConvTranspose", ops::col2im},
    OperatorRow{"aten.concat.default", "Concat", ops::cat},
    OperatorRow{"aten.concatenate.default", "Concat", ops::cat},
    OperatorRow{"aten.constant_pad_nd.default", "Pad", ops::constant_pad},
    OperatorRow{"aten.contiguous.default", "nothing", ops::identity, ops::write_same},
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
    OperatorRow{"aten.copy.default", "Cast, Expand", ops::copy},
    OperatorRow{"aten.cos.default", "Cos", ops::unary<"Cos">},
    OperatorRow{"aten.cosh.default", "Cosh", ops::unary<"Cosh">},
    OperatorRow{"aten.cosine_similarity.default", "ReduceL2, ReduceSum", ops::cosine_similarity},
    OperatorRow{"aten.cumsum.default", "CumSum", ops::cumsum},
    OperatorRow{"aten.detach.default", "nothing", ops::identity, ops::write_same},
    OperatorRow{"aten.detach_copy.default", "nothing", ops::identity},
    OperatorRow{"aten.diagonal.default", "GatherND", ops::diagonal, ops::write_nowhere},
    OperatorRow{"aten.div.Scalar", "Div", ops::div},
    OperatorRow{"aten.div.Scalar_mode", "Div + Floor", ops::div_mode},
    OperatorRow{"aten.div.Tensor", "Div", ops::div},
    OperatorRow{"aten.div.Tensor_mode", "Div + Floor", ops::div_mode},
    OperatorRow{"aten.divide.Tensor", "Div", ops::div},
    OperatorRow{"aten.dot.default", "MatMul", ops::dot},
    OperatorRow{"aten.dropout.default", "nothing; refused when active", ops::dropout, ops::write_same},
    OperatorRow{"aten.einsum.default", "Einsum", ops::einsum},
    OperatorRow{"aten.elu.default", "Elu", ops::elu},
    OperatorRow{"aten.embedding.default", "Gather", ops::embedding},
    OperatorRow{"aten.empty.memory_format", "Expand", ops::zeros},
    OperatorRow{"aten.empty_like.default", "Expand", ops::zeros},
    OperatorRow{"aten.empty_permuted.default", "Expand", ops::zeros},
    OperatorRow{"aten.empty_strided.default", "Expand", ops::zeros},
    OperatorRow{"aten.eq.Scalar", "Equal", ops::eq},
    OperatorRow{"aten.eq.Tensor", "Equal", ops::eq},
    OperatorRow{"aten.erf.default", "Erf", ops::unary<"Erf">},
    OperatorRow{"aten.exp.default", "Exp", ops::unary<"Exp">},
    OperatorRow{"aten.exp2.default", "Exp", ops::exp2},
    OperatorRow{"aten.expand.default", "Expand", ops::expand, ops::write_nowhere},
    OperatorRow{"aten.expand_as.default", "Expand", ops::expand, ops::write_nowhere},
    OperatorRow{"aten.expm1.default", "Exp + Sub", ops::expm1},
    OperatorRow{"aten.eye.default", "a constant", ops::eye},
    OperatorRow{"aten.eye.m", "a constant", ops::eye},
    OperatorRow{"aten.feature_alpha_dropout.default", "nothing; refused when active", ops::dropout, ops::write_same},
    OperatorRow{"aten.feature_dropout.default", "nothing; refused when active", ops::dropout, ops::write_same},
    OperatorRow{"aten.fill.Scalar", "Expand", ops::fill},
    OperatorRow{"aten.fill.Tensor", "Expand", ops::fill},
    OperatorRow{"aten.flatten.using_ints", "Flatten, Reshape", ops::flatten, ops::write_reshaped},
    OperatorRow{"aten.flip.default", "Slice", ops::flip},
    OperatorRow{"aten.floor.default", "Floor", ops::unary<"Floor">},
    OperatorRow{"aten.floor_divide.Scalar", "Div + Floor", ops::floor_divide},
    OperatorRow{"aten.floor_divide.default", "Div + Floor", ops::floor_divide},
    OperatorRow{"aten.fmod.Scalar", "Mod", ops::fmod},
    OperatorRow{"aten.fmod.Tensor", "Mod", ops::fmod},
    OperatorRow{"aten.full.default", "Expand", ops::full},
    OperatorRow{"aten.full_like.default", "Expand", ops::full},
    OperatorRow{"aten.gather.default", "GatherElements", ops::gather},
    OperatorRow{"aten.ge.Scalar", "GreaterOrEqual", ops::ge},
    OperatorRow{"aten.ge.Tensor", "GreaterOrEqual", ops::ge},
    OperatorRow{"aten.gelu.default", "Gelu, Erf", ops::gelu},
    OperatorRow{"aten.glu.default", "Split + Sigmoid + Mul", ops::glu},
    OperatorRow{"aten.grid_sampler.default", "GridSample", ops::grid_sampler},
    OperatorRow{"aten.grid_sampler_2d.default", "GridSample", ops::grid_sampler},
    OperatorRow{"aten.group_norm.default", "InstanceNormalization + Mul + Add", ops::group_norm},
    OperatorRow{"aten.gru.input", "GRU", ops::gru},
    OperatorRow{"aten.gt.Scalar", "Greater", ops::gt},
    OperatorRow{"aten.gt.Tensor", "Greater", ops::gt},
    OperatorRow{"aten.hardshrink.default", "Shrink", ops::hardshrink},
    OperatorRow{"aten.hardsigmoid.default", "HardSigmoid", ops::hardsigmoid},
    OperatorRow{"aten.hardswish.default", "HardSwish", ops::unary<"HardSwish">},
    OperatorRow{"aten.hardtanh.default", "Clip", ops::hardtanh},
    OperatorRow{"aten.im2col.default", "Conv", ops::im2col},
    OperatorRow{"aten.index.Tensor", "Gather, GatherND", ops::index},
    OperatorRow{"aten.index_add.default", "ScatterND", ops::index_add},
    OperatorRow{"aten.index_copy.default", "ScatterND", ops::index_copy},
    OperatorRow{"aten.index_fill.int_Scalar", "ScatterND", ops::index_fill},
    OperatorRow{"aten.index_fill.int_Tensor", "ScatterND", ops::index_fill},
    OperatorRow{"aten.index_put.default", "ScatterND, Where", ops::index_put},
    OperatorRow{"aten.index_select.default", "Gather", ops::index_select},
    OperatorRow{"aten.instance_norm.default", "InstanceNormalization, BatchNormalization", ops::instance_norm},
    OperatorRow{"aten.isfinite.default", "IsNaN + IsInf + Or + Not", ops::isfinite},
    OperatorRow{"aten.isinf.default", "IsInf", ops::isinf},
    OperatorRow{"aten.isnan.default", "IsNaN", ops::isnan},
    OperatorRow{"aten.layer_norm.default", "LayerNormalization", ops::layer_norm},
    OperatorRow{"aten.le.Scalar", "LessOrEqual", ops::le},
    OperatorRow{"aten.le.Tensor", "LessOrEqual", ops::le},
    OperatorRow{"aten.leaky_relu.default", "LeakyRelu", ops::leaky_relu},
    OperatorRow{"aten.lerp.Scalar", "Sub + Mul + Add", ops::lerp},
    OperatorRow{"aten.lerp.Tensor", "Sub + Mul + Add", ops::lerp},
    OperatorRow{"aten.lift_fresh.default", "nothing", ops::identity, ops::write_same},
    OperatorRow{"aten.lift_fresh_copy.default", "nothing", ops::identity},
    OperatorRow{"aten.linalg_vector_norm.default", "ReduceL2, ReduceL1", ops::vector_norm},
    OperatorRow{"aten.linear.default", "Gemm, MatMul + Add", ops::linear},
    OperatorRow{"aten.linspace.default", "a constant", ops::linspace},
    OperatorRow{"aten.log.default", "Log", ops::unary<"Log">},
    OperatorRow{"aten.log10.default", "Log + Mul", ops::log10},
    OperatorRow{"aten.log1p.default", "Add + Log", ops::log1p},
    OperatorRow{"aten.log2.default", "Log + Mul", ops::log2},
    OperatorRow{"aten.log_sigmoid.default", "Softplus + Neg", ops::log_sigmoid},
    OperatorRow{"aten.log_sigmoid_forward.default", "Softplus + Neg", ops::log_sigmoid},
    OperatorRow{"aten.log_softmax.int", "LogSoftmax", ops::log_softmax},
    OperatorRow{"aten.logical_and.default", "And", ops::logical_and},
    OperatorRow{"aten.logical_not.default", "Not", ops::logical_not},
    OperatorRow{"aten.logical_or.default", "Or", ops::logical_or},
    OperatorRow{"aten.logical_xor.default", "Xor", ops::logical_xor},
    OperatorRow{"aten.logit.default", "Log", ops::logit},
    OperatorRow{"aten.logsumexp.default", "ReduceLogSumExp", ops::logsumexp},
    OperatorRow{"aten.lstm.input", "LSTM", ops::lstm},
    OperatorRow{"aten.lt.Scalar", "Less", ops::lt},
    OperatorRow{"aten.lt.Tensor", "Less", ops::lt},
    OperatorRow{"aten.mT.default", "Transpose", ops::exchange_last_axes, ops::write_transposed},
    OperatorRow{"aten.masked_fill.Scalar", "Where", ops::masked_fill},
    OperatorRow{"aten.masked_fill.Tensor", "Where", ops::masked_fill},
    OperatorRow{"aten.matmul.default", "MatMul", ops::matmul},
    OperatorRow{"aten.max.default", "ReduceMax", ops::amax},
    OperatorRow{"aten.max.dim", "ReduceMax, ArgMax", ops::max_along},
    OperatorRow{"aten.max.other", "Max", ops::maximum},
    OperatorRow{"aten.max_pool1d.default", "MaxPool", ops::max_pool},
    OperatorRow{"aten.max_pool1d_with_indices.default", "MaxPool", ops::max_pool},
    OperatorRow{"aten.max_pool2d.default", "MaxPool", ops::max_pool},
    OperatorRow{"aten.max_pool2d_with_indices.default", "MaxPool", ops::max_pool},
    OperatorRow{"aten.max_pool3d.default", "MaxPool", ops::max_pool},
    OperatorRow{"aten.max_pool3d_with_indices.default", "MaxPool", ops::max_pool},
    OperatorRow{"aten.maximum.default", "Max", ops::maximum},
    OperatorRow{"aten.mean.default", "ReduceMean, GlobalAveragePool", ops::mean},
    OperatorRow{"aten.mean.dim", "ReduceMean, GlobalAveragePool", ops::mean},
    OperatorRow{"aten.meshgrid.default", "Reshape + Expand", ops::meshgrid},
    OperatorRow{"aten.meshgrid.indexing", "Reshape + Expand", ops::meshgrid},
    OperatorRow{"aten.min.default", "ReduceMin", ops::amin},
    OperatorRow{"aten.min.dim", "ReduceMin, ArgMin", ops::min_along},
    OperatorRow{"aten.min.other", "Min", ops::minimum},
    OperatorRow{"aten.minimum.default", "Min", ops::minimum},
    OperatorRow{"aten.mish.default", "Softplus + Tanh + Mul", ops::mish},
    OperatorRow{"aten.mm.default", "MatMul", ops::mm},
    OperatorRow{"aten.moveaxis.int", "Transpose", ops::movedim, ops::write_nowhere},
    OperatorRow{"aten.moveaxis.intlist", "Transpose", ops::movedim, ops::write_nowhere},
    OperatorRow{"aten.movedim.int", "Transpose", ops::movedim, ops::write_nowhere},
    OperatorRow{"aten.movedim.intlist", "Transpose", ops::movedim, ops::write_nowhere},
    OperatorRow{"aten.mul.Scalar", "Mul", ops::mul},
    OperatorRow{"aten.mul.Tensor", "Mul", ops::mul},
    OperatorRow{"aten.multiply.Scalar", "Mul", ops::mul},
    OperatorRow{"aten.multiply.Tensor", "Mul", ops::mul},
    OperatorRow{"aten.mv.default", "MatMul", ops::dot},
    OperatorRow{"aten.nan_to_num.default", "IsNaN + Where", ops::nan_to_num},
    OperatorRow{"aten.narrow.default", "Slice", ops::narrow, ops::write_sliced},
    OperatorRow{"aten.native_batch_norm.default", "BatchNormalization", ops::batch_norm},
    OperatorRow{"aten.native_dropout.default", "nothing; refused when active", ops::native_dropout},
    OperatorRow{"aten.native_group_norm.default", "InstanceNormalization + Mul + Add", ops::group_norm},
    OperatorRow{"aten.native_layer_norm.default", "LayerNormalization", ops::layer_norm},
    OperatorRow{"aten.ne.Scalar", "Equal + Not", ops::ne},
    OperatorRow{"aten.ne.Tensor", "Equal + Not", ops::ne},
    OperatorRow{"aten.neg.default", "Neg", ops::unary<"Neg">},
    OperatorRow{"aten.negative.default", "Neg", ops::unary<"Neg">},
    OperatorRow{"aten.new_empty.default", "Expand", ops::zeros},
    OperatorRow{"aten.new_empty_strided.default", "Expand", ops::zeros},
    OperatorRow{"aten.new_full.default", "Expand", ops::full},
    OperatorRow{"aten.new_ones.default", "Expand", ops::ones},
    OperatorRow{"aten.new_zeros.default", "Expand", ops::zeros},
    OperatorRow{"aten.nonzero.default", "NonZero", ops::nonzero},
    OperatorRow{"aten.norm.Scalar", "ReduceL2, ReduceL1", ops::vector_norm},
    OperatorRow{"aten.norm.ScalarOpt_dim", "ReduceL2, ReduceL1", ops::vector_norm},
    OperatorRow{"aten.numpy_T.default", "Transpose", ops::t, ops::write_transposed},
    OperatorRow{"aten.one_hot.default", "Equal", ops::one_hot},
    OperatorRow{"aten.ones.default", "Expand", ops::ones},
    OperatorRow{"aten.ones_like.default", "Expand", ops::ones},
    OperatorRow{"aten.outer.default", "Mul", ops::outer},
    OperatorRow{"aten.pad.default", "Pad", ops::pad},
    OperatorRow{"aten.permute.default", "Transpose", ops::permute, ops::write_transposed},
    OperatorRow{"aten.pixel_shuffle.default", "DepthToSpace", ops::pixel_shuffle},
    OperatorRow{"aten.pixel_unshuffle.default", "Reshape + Transpose + Reshape", ops::pixel_unshuffle},
    OperatorRow{"aten.pow.Scalar", "Pow, Mul, Sqrt", ops::pow},
    OperatorRow{"aten.pow.Tensor_Scalar", "Pow, Mul, Sqrt", ops::pow},
    OperatorRow{"aten.pow.Tensor_Tensor", "Pow, Mul, Sqrt", ops::pow},
    OperatorRow{"aten.prelu.default", "PRelu", ops::prelu},
    OperatorRow{"aten.prod.default", "ReduceProd", ops::prod},
    OperatorRow{"aten.prod.dim_int", "ReduceProd", ops::prod},
    OperatorRow{"aten.rand.default", "refused: random", ops::random},
    OperatorRow{"aten.rand_like.default", "refused: random", ops::random},
    OperatorRow{"aten.randn.default", "refused: random", ops::random},
    OperatorRow{"aten.randn_like.default", "refused: random", ops::random},
    OperatorRow{"aten.ravel.default", "Reshape", ops::view},
    OperatorRow{"aten.reciprocal.default", "Reciprocal", ops::unary<"Reciprocal">},
    OperatorRow{"aten.reflection_pad1d.default", "Pad", ops::reflection_pad},
    OperatorRow{"aten.reflection_pad2d.default", "Pad", ops::reflection_pad},
    OperatorRow{"aten.reflection_pad3d.default", "Pad", ops::reflection_pad},
    OperatorRow{"aten.relu.default", "Relu", ops::unary<"Relu">},
    OperatorRow{"aten.relu6.default", "Clip", ops::relu6},
    OperatorRow{"aten.remainder.Scalar", "Mod, Floor", ops::remainder},
    OperatorRow{"aten.remainder.Scalar_Tensor", "Mod, Floor", ops::remainder},
    OperatorRow{"aten.remainder.Tensor", "Mod, Floor", ops::remainder},
    OperatorRow{"aten.repeat.default", "Tile", ops::repeat},
    OperatorRow{"aten.repeat_interleave.self_int", "Expand + Reshape", ops::repeat_interleave},
    OperatorRow{"aten.replication_pad1d.default", "Pad", ops::replication_pad},
    OperatorRow{"aten.replication_pad2d.default", "Pad", ops::replication_pad},
    OperatorRow{"aten.replication_pad3d.default", "Pad", ops::replication_pad},
    OperatorRow{"aten.reshape.default", "Reshape", ops::view, ops::write_reshaped},
    OperatorRow{"aten.reshape_as.default", "Reshape", ops::view, ops::write_reshaped},
    OperatorRow{"aten.rms_norm.default", "Pow + ReduceMean + Sqrt + Div + Mul", ops::rms_norm},
    OperatorRow{"aten.rnn_relu.input", "RNN", ops::rnn_relu},
    OperatorRow{"aten.rnn_tanh.input", "RNN", ops::rnn_tanh},
    OperatorRow{"aten.roll.default", "Slice + Concat", ops::roll},
    OperatorRow{"aten.round.default", "Round", ops::unary<"Round">},
    OperatorRow{"aten.rrelu.default", "LeakyRelu; refused when training", ops::rrelu},
    OperatorRow{"aten.rrelu_with_noise.default", "LeakyRelu; refused when training", ops::rrelu},
    OperatorRow{"aten.rrelu_with_noise_functional.default", "LeakyRelu; refused when training", ops::rrelu},
    OperatorRow{"aten.rsqrt.default", "Sqrt + Reciprocal", ops::rsqrt},
    OperatorRow{"aten.rsub.Scalar", "Sub", ops::rsub},
    OperatorRow{"aten.rsub.Tensor", "Sub", ops::rsub},
    OperatorRow{"aten.scalar_tensor.default", "a constant", ops::scalar_tensor},
    OperatorRow{"aten.scaled_dot_product_attention.default", "MatMul + Softmax + MatMul", ops::scaled_dot_product_attention},
    OperatorRow{"aten.scatter.reduce", "ScatterElements", ops::scatter},
    OperatorRow{"aten.scatter.src", "ScatterElements", ops::scatter},
    OperatorRow{"aten.scatter.value", "ScatterElements", ops::scatter},
    OperatorRow{"aten.scatter.value_reduce", "ScatterElements", ops::scatter},
    OperatorRow{"aten.scatter_add.default", "ScatterElements", ops::scatter_add},
    OperatorRow{"aten.scatter_reduce.two", "ScatterElements", ops::scatter_reduce},
    OperatorRow{"aten.select.int", "Gather", ops::select, ops::write_selected},
    OperatorRow{"aten.select_scatter.default", "ScatterND", ops::select_scatter},
    OperatorRow{"aten.selu.default", "Selu", ops::unary<"Selu">},
    OperatorRow{"aten.sigmoid.default", "Sigmoid", ops::unary<"Sigmoid">},
    OperatorRow{"aten.sign.default", "Sign", ops::unary<"Sign">},
    OperatorRow{"aten.silu.default", "Sigmoid + Mul", ops::silu},
    OperatorRow{"aten.sin.default", "Sin", ops::unary<"Sin">},
    OperatorRow{"aten.sinh.default", "Sinh", ops::unary<"Sinh">},
    OperatorRow{"aten.slice.Tensor", "Slice", ops::slice, ops::write_sliced},
    OperatorRow{"aten.slice_scatter.default", "ScatterND", ops::slice_scatter},
    OperatorRow{"aten.softmax.int", "Softmax", ops::softmax},
    OperatorRow{"aten.softplus.default", "Softplus", ops::softplus},
    OperatorRow{"aten.softshrink.default", "Shrink", ops::softshrink},
    OperatorRow{"aten.sort.default", "TopK", ops::sort},
    OperatorRow{"aten.sort.stable", "TopK", ops::sort},
    OperatorRow{"aten.split.Tensor", "Split", ops::split, ops::write_part},
    OperatorRow{"aten.split.sizes", "Split", ops::split, ops::write_part},
    OperatorRow{"aten.split_with_sizes.default", "Split", ops::split, ops::write_part},
    OperatorRow{"aten.sqrt.default", "Sqrt", ops::unary<"Sqrt">},
    OperatorRow{"aten.square.default", "Mul", ops::square},
    OperatorRow{"aten.squeeze.default", "Squeeze", ops::squeeze_axes, ops::write_reshaped},
    OperatorRow{"aten.squeeze.dim", "Squeeze", ops::squeeze_axes, ops::write_reshaped},
    OperatorRow{"aten.squeeze.dims", "Squeeze", ops::squeeze_axes, ops::write_reshaped},
    OperatorRow{"aten.stack.default", "Unsqueeze + Concat", ops::stack},
    OperatorRow{"aten.std.correction", "ReduceMean, ReduceSum, Sqrt", ops::standard_deviation},
    OperatorRow{"aten.std.default", "ReduceMean, ReduceSum, Sqrt", ops::standard_deviation},
    OperatorRow{"aten.std.dim", "ReduceMean, ReduceSum, Sqrt", ops::standard_deviation},
    OperatorRow{"aten.sub.Scalar", "Sub", ops::sub},
    OperatorRow{"aten.sub.Tensor", "Sub", ops::sub},
    OperatorRow{"aten.subtract.Scalar", "Sub", ops::sub},
    OperatorRow{"aten.subtract.Tensor", "Sub", ops::sub},
    OperatorRow{"aten.sum.default", "ReduceSum", ops::sum},
    OperatorRow{"aten.sum.dim_IntList", "ReduceSum", ops::sum},
    OperatorRow{"aten.swapaxes.default", "Transpose", ops::swap_axes, ops::write_nowhere},
    OperatorRow{"aten.swapdims.default", "Transpose", ops::swap_axes, ops::write_transposed},
    OperatorRow{"aten.t.default", "Transpose", ops::t, ops::write_transposed},
    OperatorRow{"aten.tan.default", "Tan", ops::unary<"Tan">},
    OperatorRow{"aten.tanh.default", "Tanh", ops::unary<"Tanh">},
    OperatorRow{"aten.tensor_split.indices", "Split", ops::split, ops::write_part},
    OperatorRow{"aten.tensor_split.sections", "Split", ops::split, ops::write_part},
    OperatorRow{"aten.threshold.default", "Where", ops::threshold},
    OperatorRow{"aten.tile.default", "Tile", ops::repeat},
    OperatorRow{"aten.to.device", "Cast, nothing", ops::convert, ops::write_same},
    OperatorRow{"aten.to.dtype", "Cast, nothing", ops::convert, ops::write_same},
    OperatorRow{"aten.to.dtype_layout", "Cast, nothing", ops::convert, ops::write_same},
    OperatorRow{"aten.to.other", "Cast, nothing", ops::convert, ops::write_same},
    OperatorRow{"aten.topk.default", "TopK", ops::topk},
    OperatorRow{"aten.transpose.int", "Transpose", ops::transpose_axes, ops::write_transposed},
    OperatorRow{"aten.tril.default", "Trilu", ops::tril},
    OperatorRow{"aten.triu.default", "Trilu", ops::triu},
    OperatorRow{"aten.true_divide.Scalar", "Div", ops::div},
    OperatorRow{"aten.true_divide.Tensor", "Div", ops::div},
    OperatorRow{"aten.trunc.default", "Floor + Mul", ops::trunc},
    OperatorRow{"aten.type_as.default", "Cast, nothing", ops::convert, ops::write_same},
    OperatorRow{"aten.unbind.int", "Gather", ops::unbind, ops::write_part},
    OperatorRow{"aten.unflatten.int", "Reshape", ops::view, ops::write_reshaped},
    OperatorRow{"aten.unfold.default", "Gather", ops::unfold, ops::write_nowhere},
    OperatorRow{"aten.unsafe_chunk.default", "Split", ops::split, ops::write_part},
    OperatorRow{"aten.unsafe_split.Tensor", "Split", ops::split, ops::write_part},
    OperatorRow{"aten.unsafe_split_with_sizes.default", "Split", ops::split, ops::write_part},
    OperatorRow{"aten.unsqueeze.default", "Unsqueeze", ops::unsqueeze_axis, ops::write_reshaped},
    OperatorRow{"aten.upsample_bicubic2d.default", "Resize", ops::upsample},
    OperatorRow{"aten.upsample_bicubic2d.vec", "Resize", ops::upsample},
    OperatorRow{"aten.upsample_bilinear2d.default", "Resize", ops::upsample},
    OperatorRow{"aten.upsample_bilinear2d.vec", "Resize", ops::upsample},
    OperatorRow{"aten.upsample_linear1d.default", "Resize", ops::upsample},
    OperatorRow{"aten.upsample_linear1d.vec", "Resize", ops::upsample},
    OperatorRow{"aten.upsample_nearest1d.default", "Resize", ops::upsample},
    OperatorRow{"aten.upsample_nearest1d.vec", "Resize", ops::upsample},
    OperatorRow{"aten.upsample_nearest2d.default", "Resize", ops::upsample},
    OperatorRow{"aten.upsample_nearest2d.vec", "Resize", ops::upsample},
    OperatorRow{"aten.upsample_nearest3d.default", "Resize", ops::upsample},
    OperatorRow{"aten.upsample_nearest3d.vec", "Resize", ops::upsample},
    OperatorRow{"aten.upsample_trilinear3d.default", "Resize", ops::upsample},
    OperatorRow{"aten.upsample_trilinear3d.vec", "Resize", ops::upsample},
    OperatorRow{"aten.var.correction", "ReduceMean, ReduceSum", ops::variance},
    OperatorRow{"aten.var.default", "ReduceMean, ReduceSum", ops::variance},
    OperatorRow{"aten.var.dim", "ReduceMean, ReduceSum", ops::variance},
    OperatorRow{"aten.var_mean.correction", "ReduceMean, ReduceSum", ops::variance_and_mean},
    OperatorRow{"aten.var_mean.dim", "ReduceMean, ReduceSum", ops::variance_and_mean},
    OperatorRow{"aten.view.default", "Reshape", ops::view, ops::write_reshaped},
    OperatorRow{"aten.view_as.default", "Reshape", ops::view, ops::write_reshaped},
    OperatorRow{"aten.where.Scalar", "Where", ops::where},
    OperatorRow{"aten.where.ScalarOther", "Where", ops::where},
    OperatorRow{"aten.where.ScalarSelf", "Where", ops::where},
    OperatorRow{"aten.where.self", "Where", ops::where},
    OperatorRow{"aten.zero.default", "Expand", ops::zeros},
    OperatorRow{"aten.zeros.default", "Expand", ops::zeros},
    OperatorRow{"aten.zeros_like.default", "Expand", ops::zeros},
});
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
