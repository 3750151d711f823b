#!/usr/bin/env python3
"""Writes the archives on which `planish import` is tested end to end, with what torch computes of them.

Run with a Python that has torch 2.13; never part of the tests: python make_golden.py tests/data/import
"""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "python"))

import torch
from torch import Tensor, nn

from planish_export import export


class Block(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.norm(self.conv(x)))


class TwoHeads(nn.Module):
    """Names of inputs and outputs are given to the exporter; layers are to be called after modules."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2)
        self.layer1 = nn.Sequential(Block(4), Block(4))
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        features = self.layer1(self.stem(x)).mean((2, 3))
        return self.head(features), features * weight


class NotKnown(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.i0(x)


class Refused(nn.Module):
    """Two operators that are not known, one of them twice; a tensor that is changed through what may be a view or
    a copy of it; and a dropout that stays active."""

    def __init__(self):
        super().__init__()
        self.first = NotKnown()
        self.second = NotKnown()

    def forward(self, x: Tensor) -> Tensor:
        y = x + 1
        y.t().reshape(-1).add_(1.0)
        return nn.functional.dropout(torch.digamma(self.second(self.first(y * 2))), training=True)


def without_local_paths(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    for node in program.graph.nodes:
        if node.meta.get("stack_trace"):
            node.meta["stack_trace"] = re.sub(r'File "/[^"]*/(\w+\.py)"', r'File "\1"', node.meta["stack_trace"])
        node.meta.pop("from_node", None)
    program._example_inputs = None
    return program


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(20251125)
    model = TwoHeads()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    original = torch.export.export
    torch.export.export = lambda *args, **kwargs: without_local_paths(original(*args, **kwargs))
    export(
        model,
        (torch.randn(2, 3, 9, 9), torch.randn(2, 1)),
        out / "two_heads.pt2",
        input_names=["image", "weight"],
        output_names=["logits", "features"],
    )
    program = torch.export.export(Refused(), (torch.randn(2, 3),))
    torch.export.save(program, out / "refused.pt2")


if __name__ == "__main__":
    main()
