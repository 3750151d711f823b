import torch
from make_golden import Call, Case, floats
from torch.export import Dim

BATCH = Dim("batch", min=1, max=64)
aten = torch.ops.aten
X = floats(3, 4)
I = torch.tensor([[0, 2, 1, 0], [2, 0, 0, 1]])
S = floats(2, 4)
V = floats(2, 5)
ROWS = torch.tensor([0, 2])
M = torch.tensor([[True, False, False, True], [False, False, True, False], [True, True, False, False]])


def case(function, *inputs, **options):
    return Case(Call(function), inputs, **options)


def dynamic(function):
    return Case(Call(function), (floats(2, 6, 3),), (({0: BATCH, 1: Dim("length", min=4, max=64)},),), ((floats(1, 4, 3),), (floats(3, 9, 3),)))


def written(function):
    """In place on a copy, so that the program's input stays."""

    def forward(x):
        y = x.clone()
        result = function(y)
        return y if result is None else (y, result)

    return forward


def fill_slices(y):
    y[:, 1:3] = 1.5
    y[0] = 0.0
    y[:, ::2] *= 2.0
    y[-1, -2:] = y[0, :2] + 3.0


def write_through_views(y):
    flat = y.view(-1)
    turned = y.t()
    flat[2] = 7.0
    turned[0].add_(1.0)
    return flat + turned.reshape(-1)


def write_parts(y):
    first, second = y.chunk(2, 1)
    first.mul_(2.0)
    row = y.unbind(0)[1]
    row.sub_(second[0].sum())
    return second


def chain(y):
    a = y.add_(1.0)
    b = a.relu_()
    b[:, 0] = -1.0
    return a


def assign_dynamic(y):
    y[:, 1:-1] = 0.0
    y[:, -1] = y[:, 0]
    y[:, : y.shape[1] - 2, 0] += 1.0


CASES = {
    "gather": case(lambda x, i: (x.gather(0, i), x.gather(1, i[:, :2])), X, I),
    "scatter": case(lambda x, i, s: (x.scatter(0, i, s), x.scatter(0, i, 2.0), x.scatter(0, i[:, :2], s), x.scatter(1, i[:, :2].clone(), s)), X, torch.tensor([[0, 2, 1, 0], [2, 0, 0, 1]]), S),
    "scatter_reductions": case(lambda x, i, s: (x.scatter_add(0, i, s), x.scatter(0, i, s, reduce="add"), x.scatter(0, i, 2.0, reduce="multiply"), x.scatter_reduce(0, i, s, "sum"), x.scatter_reduce(0, i, s, "prod")), X, I, S),
    "scatter_views": case(lambda x, s: (x.select_scatter(s[0], 0, -1), x.slice_scatter(s, 0, 1), x.slice_scatter(s[:, :2].sum(0).expand(3, 2), 1, 0, 4, 2)), X, S),
    "index_rows": case(lambda x, i, s: (x.index_copy(0, i, s), x.index_add(0, i, s), x.index_add(0, i, s, alpha=2), x.index_fill(1, i, 3.0), x.index_fill(1, i, torch.tensor(4.0))), X, ROWS, S),
    "index_put": case(lambda x, i, s: (x.index_put((i,), s), x.index_put((i, i + 1), s[:, 0]), x.index_put((torch.tensor([0, 0]),), s, accumulate=True), torch.ops.aten.index_put(x, [None, i], x[:, :1])), X, ROWS, S),
    "index_put_by_mask": case(lambda x, m: (x.index_put((m,), torch.tensor(2.0)), x.index_put((m[:, 0],), torch.tensor(-1.0)), m.index_put((m,), torch.tensor(False))), X, M),
    "index_put_unsafe": case(lambda x, i, s: aten._unsafe_index_put(x, [i], s), X, ROWS, S, core=False),
    "index_by_mask": case(lambda x, m: (x[m], x[m[:, 0]], x[m].sum()), X, M),
    "nonzero": case(lambda m: m.nonzero(), M),
    "assign_slices": case(written(fill_slices), X),
    "assign_through_views": case(written(write_through_views), X),
    "assign_parts": case(written(write_parts), X),
    "assign_chain": case(written(chain), X),
    "assign_dynamic": dynamic(written(assign_dynamic)),
    "assign_copies": case(written(lambda y: (y.reshape(2, 6).contiguous().mul_(2.0), y.to(torch.float64).add_(1.0), None)[:2]), X),
    "assign_copies_in_another_layout": case(written(lambda y: (y.t().contiguous().mul_(2.0), y[:, None, None].contiguous(memory_format=torch.channels_last).add_(1.0))), X),
}
