import torch
from make_golden import Call, Case, floats
from torch import nn
from torch.export import Dim
from torch.nn import functional as F

BATCH = Dim("batch", min=1, max=64)
LENGTH = Dim("length", min=3, max=64)

CASES = {
    "batch_norm2d": Case(nn.BatchNorm2d(3, eps=1e-3), (floats(2, 3, 4, 4),)),
    "batch_norm1d_of_rows": Case(nn.BatchNorm1d(5), (floats(3, 5),)),
    "batch_norm_not_affine": Case(nn.BatchNorm2d(3, affine=False), (floats(2, 3, 2, 2),)),
    "layer_norm": Case(nn.LayerNorm(6), (floats(2, 4, 6),)),
    "layer_norm_two_axes": Case(nn.LayerNorm((4, 6), eps=1e-3), (floats(2, 4, 6),)),
    "layer_norm_not_affine": Case(nn.LayerNorm(6, elementwise_affine=False), (floats(2, 4, 6),)),
    "layer_norm_without_bias": Case(nn.LayerNorm(6, bias=False), (floats(2, 4, 6),)),
    "dropout_in_evaluation": Case(nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.Dropout2d(0.3)), (floats(2, 3),)),
    "batch_norm_of_one_sample": Case(Call(lambda x: F.batch_norm(x[:1], None, None, training=True)), (floats(2, 3, 5),), core=False),
    "batch_norm_without_statistics": Case(Call(lambda x: torch.ops.aten._native_batch_norm_legit.no_stats(x[:1], None, None, True, 0.1, 1e-5)[0]), (floats(2, 3, 5),), core=False),
    "native_batch_norm": Case(Call(lambda x, w: torch.ops.aten.native_batch_norm(x, w, w, w, w.abs() + 1, False, 0.1, 1e-5)[0]), (floats(2, 3, 4), floats(3)), core=False),
    "group_norm": Case(nn.GroupNorm(2, 4), (floats(2, 4, 3, 5),)),
    "group_norm_not_affine": Case(nn.GroupNorm(2, 4, affine=False), (floats(2, 4, 5),)),
    "group_norm_dynamic": Case(nn.GroupNorm(2, 4), (floats(2, 4, 5),), ({0: BATCH, 2: LENGTH},), ((floats(1, 4, 7),),)),
    "native_group_norm": Case(Call(lambda x, w: torch.ops.aten.native_group_norm(x, w, None, 2, 4, 15, 2, 1e-5)[0]), (floats(2, 4, 3, 5), floats(4)), core=False),
    "instance_norm": Case(nn.InstanceNorm2d(3, affine=True), (floats(2, 3, 4, 5),)),
    "instance_norm_with_statistics": Case(nn.InstanceNorm2d(3, track_running_stats=True), (floats(2, 3, 4, 5),)),
    "rms_norm": Case(nn.RMSNorm(6, eps=1e-3), (floats(2, 4, 6),)),
    "rms_norm_two_axes": Case(nn.RMSNorm((4, 6), elementwise_affine=False), (floats(2, 4, 6),)),
    "rms_norm_fused": Case(Call(lambda x, w: torch.ops.aten._fused_rms_norm(x, [6], w, 1e-3)[0]), (floats(2, 4, 6), floats(6)), core=False),
    "weight_norm": Case(nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 4, 2), dim=2), (floats(2, 3, 5),)),
    "weight_norm_interface": Case(Call(lambda v, g: torch.ops.aten._weight_norm_interface(v, g, 0)[0]), (floats(3, 2, 4), floats(3, 1, 1)), core=False),
    "feature_alpha_dropout": Case(nn.FeatureAlphaDropout(0.5), (floats(2, 3),)),
}
