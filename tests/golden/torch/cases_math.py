import torch
from make_golden import Call, Case, floats
from torch.nn import functional as F

aten = torch.ops.aten
A = floats(2, 3, scale=2.0)
B = floats(2, 3, scale=2.0)
U = torch.rand(2, 3) * 0.9
I = torch.tensor([[1, -7, 5], [0, 2, -3]])
J = torch.tensor([[2, 3, -2], [5, -1, 4]])
SPECIAL = torch.tensor([[1.0, float("inf"), float("nan")], [-float("inf"), 0.0, -2.0]])


def case(function, *inputs, **options):
    return Case(Call(function), inputs, **options)


CASES = {
    "trigonometry": case(lambda a, u: (a.tan(), u.acos(), u.asin(), a.atan(), (u + 1).acosh(), a.asinh(), u.atanh(), a.cosh(), a.sinh()), A, U),
    "atan2": case(lambda a, b: (torch.atan2(a, b), torch.atan2(torch.tensor([0.0, 1.0, -1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 0.0, 1.0, -1.0])) + 0 * a[0, 0]), A, B),
    "logarithms": case(lambda u: (u.log1p(), u.log2(), u.log10(), u.expm1(), torch.exp2(u), u.logit(), torch.logit(u, 0.2), u.square()), U),
    "remainders": case(lambda a, b, i, j: (torch.fmod(a, b), torch.fmod(a, 0.75), a % b, a % 0.75, i % j, i % 3, torch.remainder(5, j), torch.fmod(i, j)), A, B, I, J),
    "special_numbers": case(lambda s: (s.isnan(), s.isinf(), s.nan_to_num(), torch.nan_to_num(s, 1.0, 2.0, -3.0), torch.isfinite(s), torch.isfinite(s.nan_to_num().to(torch.int64))), SPECIAL),
    "sums_of_products": case(lambda a, b: (torch.addcmul(a, a, b, value=0.5), torch.addcdiv(a, b, b.abs() + 1), torch.lerp(a, b, 0.3), torch.lerp(a, b, b.abs()), a.trunc()), A, B),
    "bits_of_integers": case(lambda i, j: (i & j, i | j, i ^ j, ~i), I, J),
    "other_names": case(lambda a, b, i: (aten.multiply(a, b), aten.subtract(a, b), aten.divide(a, b), aten.true_divide(i, b), aten.multiply.Scalar(a, 2), aten.subtract.Scalar(a, 2), aten.true_divide.Scalar(i, 4), aten.clip(a, -1, 1), aten.clip.Tensor(a, b, None), aten.negative(a), aten.absolute(a)), A, B, I, core=False),
    "activations": case(lambda a: (F.celu(a, 0.7), F.selu(a), F.glu(torch.cat([a, a], 1)), F.hardshrink(a), F.softshrink(a, 0.3), F.logsigmoid(a), F.mish(a), F.rrelu(a), F.softplus(a), F.softplus(a, 2.0), F.threshold(a, 0.5, -1.0), F.softsign(a), F.tanhshrink(a), F.elu(a, 0.7)), A),
    "log_sigmoid_forward": case(lambda a: aten.log_sigmoid_forward(a)[0], A, core=False),
    "vectors": case(lambda a, b: (torch.dot(a[0], b[0]), torch.mv(a, b[0]), torch.outer(a[0], b[1]), torch.einsum("ij,kj->ik", a, b), torch.einsum("...i,...i->...", a, b), torch.einsum("bi,bj->bij", a, b)), A, B),
}
