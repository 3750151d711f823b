import torch
from make_golden import Call, Case, floats
from torch import nn
from torch.export import Dim
from torch.nn import functional as F

BATCH = Dim("batch", min=1, max=64)
LENGTH = Dim("length", min=2, max=64)


class Attention(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.options = options

    def forward(self, query, key, value, mask=None):
        return F.scaled_dot_product_attention(query, key, value, mask, **self.options)


class Tied(nn.Module):
    """Embedding and output projection share one weight."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 6)
        self.head = nn.Linear(6, 11, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids):
        return self.head(self.embedding(ids))


def heads(length=4, heads=2):
    return (floats(2, heads, 3, 8), floats(2, heads, length, 8), floats(2, heads, length, 8))


def sequence(batch, length):
    return (floats(batch, length, 6),)


CASES = {
    "linear": Case(nn.Linear(5, 3), (floats(4, 5),), ({0: BATCH},), ((floats(1, 5),),)),
    "linear_without_bias": Case(nn.Linear(5, 3, bias=False), (floats(4, 5),)),
    "linear_rank3": Case(nn.Linear(6, 3), sequence(2, 4), ({0: BATCH, 1: LENGTH},), (sequence(1, 4), sequence(3, 7))),
    "linear_of_a_vector": Case(nn.Linear(5, 3), (floats(5),)),
    "matmul": Case(Call(lambda a, b: (a @ b, a @ b[0, :, 0], a[0, 0] @ b)), (floats(2, 3, 4), floats(2, 4, 5))),
    "bmm_addmm": Case(Call(lambda a, b: (torch.bmm(a, b), torch.mm(a[0], b[0]), torch.addmm(a[0, :, :1], a[0], b[0], beta=0.5, alpha=2.0))), (floats(2, 3, 4), floats(2, 4, 5))),
    "attention": Case(Attention(), heads()),
    "attention_scale": Case(Attention(scale=0.3), heads()),
    "attention_causal": Case(Attention(is_causal=True), heads(3)),
    "attention_mask": Case(Attention(), (*heads(), floats(2, 1, 3, 4))),
    "attention_bool_mask": Case(Attention(), (*heads(), torch.tensor([[True, True, False, True]]).expand(3, 4).contiguous())),
    "attention_grouped": Case(Attention(enable_gqa=True), (floats(1, 4, 3, 8), floats(1, 2, 3, 8), floats(1, 2, 3, 8))),
    "multi_head_attention": Case(nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), (floats(2, 5, 8),), ({0: BATCH, 1: LENGTH},), ((floats(1, 3, 8),),)),
    "tied_weights": Case(Tied(), (torch.tensor([[1, 4, 10]]),)),
}
