import torch
from make_golden import Call, Case, floats
from torch.export import Dim

BATCH = Dim("batch", min=1, max=64)
X = floats(2, 3, 5)
I = torch.tensor([[3, -7, 5, 3], [0, 2, -3, 2]])
M = torch.tensor([[True, False, True], [False, False, True]])


def case(function, *inputs, **options):
    return Case(Call(function), inputs, **options)


CASES = {
    "argmax_argmin": case(lambda x, i: (x.argmax(), x.argmax(-1), x.argmin(1, keepdim=True), i.argmin(0), x.argmax(keepdim=True)), X, I),
    "max_min_along": case(lambda x, i: (*x.max(1), *x.min(-1, keepdim=True), *i.max(0)[:1], torch.max(x, x[:1]), torch.min(x, x[:1])), X, I),
    "topk": case(lambda x: (*x.topk(2), *x.topk(2, 1, largest=False)), X),
    "topk_dynamic": Case(Call(lambda x: tuple(x.topk(x.shape[1] - 1, 1))), (floats(2, 6),), (({1: Dim("length", min=4, max=32)},),), ((floats(2, 9),),)),
    "sort": case(lambda x, i: (*x.sort(), *x.sort(1, descending=True), *i.sort(dim=-1, stable=True), x.argsort(-1), i.argsort(dim=1, stable=True)), X, I),
    "cumsum": case(lambda x, i, m: (x.cumsum(1), i.cumsum(-1), m.cumsum(1)), X, I, M),
}
