import torch
from make_golden import Call, Case, floats
from torch import nn
from torch.export import Dim

BATCH = Dim("batch", min=1, max=64)
X = (floats(1, 2, 8, 6),)


class Pool(nn.Module):
    """A convolution before the pool: kernels of ONNX Runtime differ by what is before them."""

    def __init__(self, pool):
        super().__init__()
        self.pool = pool

    def forward(self, x):
        return self.pool(x)


CASES = {
    "max_pool2d": Case(nn.MaxPool2d(3, 2, 1), (floats(2, 2, 8, 6),), ({0: BATCH},), ((floats(1, 2, 8, 6),),)),
    "max_pool2d_dilated": Case(nn.MaxPool2d((2, 3), (1, 2), dilation=(2, 1)), X),
    "max_pool2d_ceil": Case(nn.MaxPool2d(3, 2, ceil_mode=True), X),
    "max_pool2d_ceil_padded": Case(nn.MaxPool2d(2, 3, 1, ceil_mode=True), (floats(1, 2, 7, 9),)),
    "max_pool1d": Case(nn.MaxPool1d(2), (floats(1, 2, 7),), core=False),
    "avg_pool2d": Case(nn.AvgPool2d(3, 2, 1), X),
    "avg_pool2d_without_padding": Case(nn.AvgPool2d(3, 2, 1, count_include_pad=False), X),
    "avg_pool2d_ceil": Case(nn.AvgPool2d(3, 2, ceil_mode=True), X),
    "avg_pool1d": Case(nn.AvgPool1d(2), (floats(1, 2, 6),)),
    "adaptive_avg_pool2d_one": Case(nn.AdaptiveAvgPool2d(1), X),
    "adaptive_avg_pool2d_divides": Case(nn.AdaptiveAvgPool2d((4, 2)), X),
    "adaptive_avg_pool2d_same": Case(nn.AdaptiveAvgPool2d((8, None)), X),
    "adaptive_avg_pool2d_uneven": Case(nn.AdaptiveAvgPool2d((5, 7)), X),
    "adaptive_avg_pool1d_uneven": Case(nn.AdaptiveAvgPool1d(4), (floats(2, 3, 7),), core=False),
    "adaptive_max_pool": Case(Call(lambda x, y, z: (torch.nn.functional.adaptive_max_pool2d(x, (4, 2)), torch.nn.functional.adaptive_max_pool2d(x, 1), torch.nn.functional.adaptive_max_pool1d(y, 2), torch.nn.functional.adaptive_max_pool3d(z, 2))), (*X, floats(1, 2, 6), floats(1, 1, 4, 4, 2)), core=False),
    "avg_pool2d_divisor": Case(nn.AvgPool2d(3, 2, 1, divisor_override=4), X),
    "mean_of_images": Case(Call(lambda x: (x.mean((2, 3)), x.mean((-1, -2), keepdim=True))), X),
    "reductions": Case(Call(lambda x: (x.mean(), x.sum((1, 2)), x.sum(), x.mean(-1, keepdim=True), x.amax(1), x.amin((0, 1)), x.max(), (x > 1).any(-1), (x > 0).sum(1), x.to(torch.int64).sum())), X),
}
