import torch
from make_golden import Call, Case, floats

A = floats(2, 3, scale=2.0)
B = floats(2, 3, scale=2.0)
I = torch.tensor([[1, -7, 5], [0, 2, -3]])
J = torch.tensor([[2, 3, -2], [5, -1, 4]])
BOOL = torch.tensor([[True, False, True], [False, False, True]])


def case(function, *inputs):
    return Case(Call(function), inputs)


CASES = {
    "add_alpha": case(lambda a, b: torch.add(a, b, alpha=0.5), A, B),
    "add_scalar_to_integers": case(lambda a: (a + 2, a + 0.5, a + True), I),
    "add_bool": case(lambda a, b: a + b, BOOL, BOOL[:, :1]),
    "sub_rsub": case(lambda a, b: (a - b, 3 - a, torch.sub(a, b, alpha=2), torch.rsub(a, b, alpha=3)), A, B),
    "mul": case(lambda a, b, i: (a * b, a * 2, i * 2.5, i * b), A, B, I),
    "mul_bool": case(lambda a, b: a * b, BOOL, BOOL[:1]),
    "div": case(lambda a, i, j: (a / 3, i / j, 1 / a, i / 2), A, I, J),
    "div_modes": case(lambda a, b, i, j: (torch.div(a, b, rounding_mode="floor"), torch.div(a, b, rounding_mode="trunc"), torch.div(i, j, rounding_mode="floor"), torch.div(i, j, rounding_mode="trunc"), i // 2, a // 0.75), A, B, I, J),
    "pow": case(lambda a, i: (a**2, a**3, a.abs() ** 0.5, i**2, 2.0**a, a.abs() ** a, a**-1), A, I),
    "compare": case(lambda a, b, i: (a > b, a >= 0, i == 2, i != 2, i < 1.5, i <= i[:1], torch.eq(a, a)), A, B, I),
    "compare_bool": case(lambda a: (a == True, a > False, a != a[:, :1]), BOOL),  # noqa: E712
    "logic": case(lambda a, b, i: (a & b, a | b, a ^ b, ~a, torch.logical_and(i, b), torch.logical_not(i)), BOOL, BOOL[:, :1], I),
    "maximum_minimum": case(lambda a, b, i: (torch.maximum(a, b), torch.minimum(a, b), torch.maximum(i, i[:1])), A, B, I),
    "where": case(lambda m, a, b, i: (torch.where(m, a, b), torch.where(m, i, a), torch.where(m, a, 0.0), torch.where(m, m, m[:1])), BOOL, A, B, I),
    "masked_fill": case(lambda a, m: (a.masked_fill(m, float("-inf")), a.masked_fill(m, torch.tensor(2.0))), A, BOOL),
    "promotion_of_scalars_without_axes": case(lambda a, i: (i + torch.tensor(1.5), a * torch.tensor(3), i.to(torch.int32) + i[0, 0]), A, I),
    "unary": case(lambda a: (a.abs(), a.neg(), a.exp(), a.abs().log(), a.abs().sqrt(), a.abs().rsqrt(), a.sin(), a.cos(), a.erf(), a.floor(), a.ceil(), a.sign(), a.reciprocal(), a.round()), A),
    "unary_of_integers": case(lambda i: (i.abs().sqrt(), i.exp(), i.neg(), i.abs()), I),
    "in_place": case(lambda a, b: ((a + 0).add_(b).mul_(2).relu_(), a), A, B),
}
