import torch
from make_golden import Call, Case, floats
from torch.export import Dim
from torch.nn import functional as F

aten = torch.ops.aten
BATCH = Dim("batch", min=1, max=64)
LENGTH = Dim("length", min=3, max=64)
X = floats(2, 3, 4)


def case(function, *inputs, **options):
    return Case(Call(function), inputs or (X,), **options)


CASES = {
    "variances": case(lambda x: (x.var(), x.var(1), x.var((0, 2), unbiased=False, keepdim=True), x.var(-1, correction=0), x.std(), x.std(-1), x.std(1, correction=2, keepdim=True), *torch.var_mean(x, 1), *torch.var_mean(x, (0, 1), correction=0, keepdim=True))),
    "variance_dynamic": Case(Call(lambda x: (x.var(1), x.std((0, 1)))), (floats(2, 4, 6),), (({0: BATCH, 1: LENGTH},),), ((floats(2, 3, 6),), (floats(3, 7, 6),))),
    "variance_overloads": case(lambda x: (aten.var.default(x), aten.var.dim(x, [1], False), aten.std.default(x), aten.std.dim(x, [1])), core=False),
    "norms": case(lambda x: (torch.linalg.vector_norm(x), torch.linalg.vector_norm(x, 1, 1), torch.linalg.vector_norm(x, float("inf"), -1, keepdim=True), torch.linalg.vector_norm(x, -float("inf"), -1), torch.linalg.vector_norm(x, 3, (0, 2)), F.normalize(x, dim=1))),
    "norm_overloads": case(lambda x: (aten.norm.Scalar(x, 2), aten.norm.ScalarOpt_dim(x, None, [1]), aten.norm.ScalarOpt_dim(x, 1, [1], True)), core=False),
    "cosine_similarity": case(lambda x: (F.cosine_similarity(x, x.flip(1), dim=-1), F.cosine_similarity(x, x[:1], dim=1))),
    "cdist": case(lambda x: (torch.cdist(x, x[:, :2]), torch.cdist(x, x + 1, p=1.0)), core=False),
    "cdist_forward": case(lambda x: aten._cdist_forward(x, x[:, :2] + 1, 2.0, None), core=False),
    "products": case(lambda x: (x.prod(), x.prod(1), x.prod(-1, keepdim=True), x.logsumexp(1), x.logsumexp((0, 2), keepdim=True))),
    "all_of": case(lambda x: ((x > -1).all(), (x > -1).all(1), (x > 0).all((0, 2)), (x > -9).all(-1, keepdim=True))),
}
