import torch
from make_golden import Call, Case, floats
from torch.export import Dim

aten = torch.ops.aten
BATCH = Dim("batch", min=1, max=64)
LENGTH = Dim("length", min=3, max=64)
X = floats(2, 3, 4)


def case(function, *inputs, **options):
    return Case(Call(function), inputs or (X,), **options)


def dynamic(function):
    return Case(Call(function), (floats(2, 4, 6),), (({0: BATCH, 1: LENGTH},),), ((floats(1, 4, 6),), (floats(3, 7, 6),)))


CASES = {
    "repeat": case(lambda x: (x.repeat(1, 2, 1), x.repeat(2, 1, 1, 3), torch.tile(x, (2,)), x.repeat(1, 1, 1), x.repeat_interleave(2, 1), x.repeat_interleave(3))),
    "repeat_dynamic": dynamic(lambda x: (x.repeat(1, 2, 1), x[:1].repeat(x.shape[0], 1, 1), x.repeat_interleave(2, 1))),
    "flip_roll": case(lambda x: (x.flip(0), x.flip(1, -1), x.roll(1, 1), x.roll((-1, 2), (1, 2)), x.roll(5), x.roll(7, -1))),
    "roll_dynamic": dynamic(lambda x: (x.roll(1, 1), x.roll((-2, 1), (1, 2)))),
    "moved_axes": case(lambda x: (x.movedim(0, -1), x.movedim((0, 1), (1, 0)), x.moveaxis(2, 0), x.moveaxis((0,), (1,)), x.swapaxes(0, 1), x.swapdims(-1, 0))),
    "narrow": case(lambda x: (x.narrow(1, 1, 2), x.narrow(2, -2, 2), x.narrow(0, 0, 2))),
    "unfold": case(lambda x: (x.unfold(2, 2, 1), x.unfold(1, 2, 1).sum(-1))),
    "meshgrid": case(lambda x: (*torch.meshgrid(x[0, 0], x[0, :, 0], indexing="ij"), *torch.meshgrid(x[0, 0], x[0, :, 0], indexing="xy")), core=False),
    "meshgrid_default": case(lambda x: aten.meshgrid.default([x[0, 0], x[0, :, 0]]), core=False),
    "diagonal": case(lambda x: (x.diagonal(dim1=1, dim2=2), x.diagonal(1, 2, 1), x[0].diagonal(-1))),
    "triangles": case(lambda x: (x.tril(), x.triu(1), (x > 0).tril(-1), x.to(torch.int64).triu())),
    "splits": case(lambda x: (*aten.unsafe_chunk(x, 2, 2), *aten.unsafe_split(x, 2, 1), *aten.unsafe_split_with_sizes(x, [1, 2], 1), *aten.tensor_split.sections(x, 3, 2), *aten.tensor_split.indices(x, [1, 3], 2), aten.concatenate([x, x], 1), x.ravel()), core=False),
    "creation_of_constants": case(lambda x: (torch.linspace(0, 1, 5) + x[0, 0, 0], torch.eye(3) + x[0, 0, 0], torch.eye(2, 3) * x[0, 0, 0], torch.nn.functional.one_hot(x.argmax(-1), 4), aten.fill.Scalar(x, 2.5), aten.fill.Tensor(x, torch.tensor(1.5)), aten.copy(x, x[0, :, :1]), aten.empty_strided([0, 2], [2, 1]), aten.empty_permuted([0, 2], [0, 1]), x.new_empty_strided((0, 2), (2, 1))), core=False),
}
