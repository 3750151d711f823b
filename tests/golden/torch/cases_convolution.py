from make_golden import Case, floats
from torch import nn
from torch.export import Dim

BATCH = Dim("batch", min=1, max=64)


def images(*dims):
    return (floats(*dims),)


CASES = {
    "conv2d": Case(nn.Conv2d(3, 4, 3, padding=1), images(2, 3, 6, 5), ({0: BATCH},), (images(1, 3, 6, 5), images(3, 3, 6, 5))),
    "conv2d_no_bias_stride_dilation": Case(nn.Conv2d(2, 4, (3, 1), stride=(2, 1), dilation=(2, 1), padding=(1, 0), bias=False), images(1, 2, 9, 4)),
    "conv2d_depthwise": Case(nn.Conv2d(4, 8, 3, groups=4), images(1, 4, 5, 5)),
    "conv2d_same": Case(nn.Conv2d(2, 2, (4, 3), padding="same"), images(1, 2, 6, 7)),
    "conv2d_unbatched": Case(nn.Conv2d(2, 2, 3), images(2, 5, 5)),
    "conv1d": Case(nn.Conv1d(3, 4, 3, padding=2, stride=2), images(2, 3, 9)),
    "conv1d_same": Case(nn.Conv1d(3, 4, 4, padding="same"), images(1, 3, 9)),
    "conv3d": Case(nn.Conv3d(2, 2, 2), images(1, 2, 3, 4, 5)),
    "conv_transpose2d": Case(nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1, groups=2), images(1, 4, 3, 4)),
    "conv_transpose1d": Case(nn.ConvTranspose1d(2, 3, 4, stride=2, dilation=2), images(2, 2, 5)),
}
