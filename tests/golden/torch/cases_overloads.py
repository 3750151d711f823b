"""Overloads that the other cases do not happen to call, called by their own names."""
import torch
from make_golden import Call, Case, floats

aten = torch.ops.aten
X = floats(2, 3, scale=2.0)
Y = floats(2, 3, scale=2.0)
I = torch.tensor([[1, -7, 5], [0, 2, -3]])
M = torch.tensor([[True, False, True], [False, False, True]])


def case(function, *inputs):
    return Case(Call(function), inputs, core=False)


CASES = {
    "scalar_arithmetic": case(lambda x, i: (aten.add.Scalar(x, 2, 3), aten.sub.Scalar(x, 0.5), aten.div.Scalar(i, 4), aten.div.Scalar_mode(x, 0.7, rounding_mode="floor"), aten.floor_divide.Scalar(i, 2), aten.rsub.Scalar(x, 1.5), aten.mul.Scalar(i, 1.5)), X, I),
    "scalar_logic": case(lambda m: (aten.bitwise_and.Scalar(m, True), aten.bitwise_or.Scalar(m, True), aten.bitwise_xor.Scalar(m, True), aten.__and__.Scalar(m, False), aten.__or__.Scalar(m, False)), M),
    "tensor_logic": case(lambda m, i: (torch.logical_or(m, i), torch.logical_xor(m, i), aten.__xor__.Tensor(m, m[:1]), aten.bitwise_xor.Tensor(m, m[1:])), M, I),
    "tensor_comparisons": case(lambda x, y: (x >= y, x < y, x <= y, x != y), X, Y),
    "where_of_scalars": case(lambda m, x: (aten.where.ScalarSelf(m, 1.0, x), aten.where.Scalar(m, 1.0, 2.0), aten.where.ScalarOther(m, x, -1.0)), M, X),
    "clamps": case(lambda x, y: (aten.clamp_min.Tensor(x, y), aten.clamp_max.Tensor(x, y), aten.clamp_max(x, 0.5), aten.clamp_min(x, -0.5), aten.relu6(x * 5)), X, Y),
    "concat_split": case(lambda x: (aten.concat([x, x], 1), *aten.split.sizes(x, [1, 2], 1)), X),
    "conversions": case(lambda x, i: (aten.to.other(x, i), aten.to.device(x, "cpu", torch.float64), aten.to.dtype_layout(i, dtype=torch.float32), aten._to_copy(i, dtype=torch.bool)), X, I),
    "views": case(lambda x, i: (aten.view_as(x, i[:, :3]), aten.reshape_as(x, i), aten._unsafe_view(x, [3, 2]), aten.alias(x) + 1, aten.detach_copy(x), aten.lift_fresh(x) * 1), X, I),
    "matrices": case(lambda a, b: aten.baddbmm(a[:, :, :1], a, b, beta=0.5, alpha=2.0), floats(2, 3, 4), floats(2, 4, 5)),
    "reductions_of_all": case(lambda x, m: (x.min(), m.any(), torch.any(m, dim=(0, 1)), torch.any(m, dim=1, keepdim=True)), X, M),
    "new_tensors": case(lambda x: (torch.ones_like(x), x.new_full((2,), 3.0), x.new_ones(2, 2), torch.arange(2, 7), torch.empty(0, 3), x.new_empty(0, 2), torch.empty_like(x).zero_()), X),
    "pads": case(lambda x, y, z: (aten.reflection_pad1d(x[None], [1, 2]), aten.reflection_pad2d(y, [1, 0, 1, 1]), aten.reflection_pad3d(z, [1, 1, 0, 1, 1, 0]), aten.replication_pad1d(x[None], [3, 2]), aten.replication_pad2d(y, [1, 0, 1, 1]), aten.replication_pad3d(z, [1, 1, 0, 1, 1, 0])), X, floats(1, 2, 3, 3), floats(1, 1, 2, 3, 3)),
    "pools_3d": case(lambda x: (torch.nn.functional.max_pool3d(x, 2), torch.nn.functional.avg_pool3d(x, 2), torch.nn.functional.adaptive_avg_pool3d(x, 1), aten.max_pool3d_with_indices(x, 2)[0], aten._adaptive_avg_pool3d(x, [2, 2, 2])), floats(1, 2, 4, 4, 4)),
    "pools_1d": case(lambda x: (torch.nn.functional.adaptive_avg_pool1d(x, 2), aten.max_pool1d_with_indices(x, 2)[0]), floats(1, 2, 6)),
    "convolutions_3d": case(lambda x, w: (torch.nn.functional.conv3d(x, w, padding="same"), torch.nn.functional.conv_transpose3d(x, w)), floats(1, 2, 3, 3, 3), floats(2, 2, 2, 2, 2)),
    "softmax_safe": case(lambda x: aten._safe_softmax(x, -1), X),
    "prelu_kernel": case(lambda x, w: aten._prelu_kernel(x, w), X, floats(1, 3)),
    "convolution_of_torchscript": case(lambda x, w: aten._convolution(x, w, None, [1], [1], [1], False, [0], 1, False, False, False, False), floats(1, 2, 5), floats(3, 2, 3)),
    "attention_on_cpu": case(lambda q, k, v: (aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)[0], aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, is_causal=True)[0]), floats(1, 2, 4, 8), floats(1, 2, 4, 8), floats(1, 2, 4, 8)),
    "rrelu_with_noise": case(lambda x: aten.rrelu_with_noise(x, x), X),
    "dropouts": case(lambda x: (aten.alpha_dropout(x, 0.5, False), aten.native_dropout(x, 0.5, False)[0]), X),
}
