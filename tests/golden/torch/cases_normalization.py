import torch
from make_golden import Case, floats
from torch import nn

CASES = {
    "batch_norm2d": Case(nn.BatchNorm2d(3, eps=1e-3), (floats(2, 3, 4, 4),)),
    "batch_norm1d_of_rows": Case(nn.BatchNorm1d(5), (floats(3, 5),)),
    "batch_norm_not_affine": Case(nn.BatchNorm2d(3, affine=False), (floats(2, 3, 2, 2),)),
    "layer_norm": Case(nn.LayerNorm(6), (floats(2, 4, 6),)),
    "layer_norm_two_axes": Case(nn.LayerNorm((4, 6), eps=1e-3), (floats(2, 4, 6),)),
    "layer_norm_not_affine": Case(nn.LayerNorm(6, elementwise_affine=False), (floats(2, 4, 6),)),
    "layer_norm_without_bias": Case(nn.LayerNorm(6, bias=False), (floats(2, 4, 6),)),
    "dropout_in_evaluation": Case(nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.Dropout2d(0.3)), (floats(2, 3),)),
}
