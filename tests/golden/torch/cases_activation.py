import torch
from make_golden import Call, Case, floats
from torch import nn
from torch.nn import functional as F

X = (floats(2, 4, 3, scale=3.0),)

CASES = {
    name: Case(module, X)
    for name, module in {
        "relu": nn.ReLU(),
        "relu_in_place": nn.Sequential(nn.Identity(), nn.ReLU(inplace=True)),
        "relu6": nn.ReLU6(),
        "hardtanh": nn.Hardtanh(-0.5, 2.0),
        "hardswish": nn.Hardswish(),
        "hardsigmoid": nn.Hardsigmoid(),
        "sigmoid": nn.Sigmoid(),
        "silu": nn.SiLU(),
        "tanh": nn.Tanh(),
        "gelu": nn.GELU(),
        "gelu_tanh": nn.GELU(approximate="tanh"),
        "elu": nn.ELU(0.5),
        "leaky_relu": nn.LeakyReLU(0.1),
        "prelu": nn.PReLU(4),
        "prelu_shared": nn.PReLU(),
        "softmax": nn.Softmax(dim=-2),
        "log_softmax": nn.LogSoftmax(dim=1),
        "clamp": Call(lambda x: (x.clamp(-1, 1), x.clamp(min=0.5), x.clamp(max=torch.tensor(0.25)), x.clamp_min(0.1))),
    }.items()
}
CASES["softmax_to_float64"] = Case(Call(lambda x: F.softmax(x, dim=-1, dtype=torch.float64)), X)
