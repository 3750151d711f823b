import torch
from make_golden import Call, Case, floats
from torch.export import Dim

BATCH = Dim("batch", min=1, max=64)
X = floats(3, 4, 5)
I = torch.tensor([[0, 2], [1, -1]])
J = torch.tensor([1, 3])


def case(function, *inputs):
    return Case(Call(function), inputs)


CASES = {
    "index_one_axis": case(lambda x, i: (x[i], x[:, i], x[..., i], x[:, i.to(torch.int32)]), X, I),
    "index_unsafe": Case(Call(lambda x, i: torch.ops.aten._unsafe_index.Tensor(x, [None, i])), (X, I), core=False),
    "index_adjacent_axes": case(lambda x, i, j: (x[i, j], x[:, i, j], x[:, i[:1], i[:, :1]]), X, I, J),
    "index_axes_apart": case(lambda x, i, j: x[i, :, j], X, I, J),
    "index_with_dynamic_positions": Case(Call(lambda x, i: x[i, :, i]), (X, torch.tensor([0, 2])), ((None, {0: BATCH}),), ((X, torch.tensor([1])), (X, torch.tensor([1, 0, 2, 2])))),
}
