import torch
from make_golden import Call, Case, floats
from torch.export import Dim

BATCH = Dim("batch", min=1, max=64)
LENGTH = Dim("length", min=3, max=64)
X = floats(2, 3, 4)


def sequence(batch, length):
    return (floats(batch, length, 6),)


def dynamic(function):
    return Case(Call(function), sequence(2, 4), (({0: BATCH, 1: LENGTH},),), (sequence(1, 4), sequence(3, 7)))


def static(function, *inputs):
    return Case(Call(function), inputs or (X,))


CASES = {
    "view": static(lambda x: (x.view(6, 4), x.view(-1), x.reshape(2, 12), x.flatten(1), x.flatten(0, 1), x.unflatten(2, (2, 2)))),
    "view_dynamic": dynamic(lambda x: (x.view(x.shape[0], -1, 2, 3), x.reshape(-1, 6), x.flatten(1), x.reshape(x.shape[0] * x.shape[1], 2, 3), x.flatten(0, 1))),
    "squeeze_unsqueeze": static(lambda x: (x.unsqueeze(0).squeeze(0), x.unsqueeze(-1), x.unsqueeze(1).squeeze(), x.squeeze(1), x[None, :, None].squeeze((0, 2)))),
    "transpose_permute": static(lambda x: (x.transpose(0, -1), x.permute(2, 0, 1), x[0].t(), x.mT, x[0].T)),
    "expand": static(lambda x: (x[:, :1].expand(-1, 5, -1), x[0].expand(3, 3, 4), x.expand_as(x))),
    "expand_dynamic": dynamic(lambda x: (x[:, :1].expand(-1, x.shape[1], -1), torch.zeros(1, 1, 6).expand(x.shape[0], -1, -1))),
    "cat_stack": static(lambda x: (torch.cat([x, x[:, :1]], 1), torch.stack([x, x], -1), torch.cat([x, x.to(torch.int64)], -1), torch.cat([x, torch.empty(0)]))),
    "cat_dynamic": dynamic(lambda x: torch.cat([torch.ones(1, 1, 6).expand(x.shape[0], -1, -1), x], 1)),
    "select_slice": static(lambda x: (x[1], x[:, -1], x[:, 1:], x[..., :-1], x[:, ::2], x[:, -2:])),
    "slice_dynamic": dynamic(lambda x: (x[:, 1:], x[:, : x.shape[1] - 1], x[:, -1], torch.arange(64)[: x.shape[1]])),
    "split": static(lambda x: (*x.split(2, -1), *x.split([1, 2], 1), *x.chunk(2, 2), *x.unbind(1), *x.chunk(3, 2)[:1])),
    "embedding_index_select": static(lambda i, w: (torch.nn.functional.embedding(i, w), torch.index_select(w, 1, i[0])), torch.tensor([[0, 2, 1]]), floats(4, 3)),
    "copies": static(lambda x: (x.contiguous(), x.clone(), x.detach(), x)),
    "casts": static(lambda x: (x.to(torch.int64), x.double(), (x > 0).float(), x.to(torch.int32).to(torch.bool), x.type_as(x > 0))),
    "same_value_twice": static(lambda x: (x + 1, (x + 1).contiguous(), x)),
    "creation": static(lambda x: (torch.zeros_like(x), torch.ones(2, 3), torch.full((2,), 7), torch.full_like(x, 0.5), x.new_zeros(3), torch.arange(5), torch.arange(1, 10, 3), torch.arange(0.0, 1.0, 0.25), torch.zeros_like(x, dtype=torch.int64) + x)),
    "creation_dynamic": dynamic(lambda x: (torch.zeros(x.shape[0], 3) + x[:, 0, :3], torch.arange(x.shape[1]), torch.ones(x.shape[1], x.shape[1]), x.shape[1] * 2)),
    "pad": static(lambda x: (torch.nn.functional.pad(x, (1, 2)), torch.nn.functional.pad(x, (0, 1, 2, 0), value=3.0), torch.nn.functional.pad(x, (-1, 1)), torch.nn.functional.pad(x, (1, 1), mode="reflect"), torch.nn.functional.pad(x, (2, 1), mode="replicate"))),
    "lifted_constant": static(lambda x: x * torch.tensor([1.0, 2.0, 3.0, 4.0])),
    "no_grad_inside": static(lambda x: _doubled(x) + x),
    "names_of_a_dictionary": static(lambda x: {"scores": x + 1, "pair": (x * 2, x * 3)}),
}


def _doubled(x):
    with torch.no_grad():
        return x * 2
