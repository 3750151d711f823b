"""What export() writes, planish imports, and holds to the references."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from planish_export import Exported, export, export_onnx

PLANISH = os.environ.get("PLANISH_COMMAND")
pytestmark = [
    pytest.mark.planish,
    pytest.mark.skipif(PLANISH is None, reason="PLANISH_COMMAND does not name the command"),
]


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)

    def forward(self, ids: Tensor) -> dict[str, Tensor]:
        states = self.layer(self.embedding(ids))
        return {"states": states, "pooled": states.mean(1)}


def run_import(exported: Exported, folder: Path) -> tuple[int, dict[str, object]]:
    command = exported.command(str(folder / "imported.onnx"))
    run = subprocess.run([PLANISH, *command[1:], "--json"], capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stderr
    return run.returncode, json.loads(run.stdout)


@pytest.mark.parametrize(("write", "suffix"), [(export, "pt2"), (export_onnx, "onnx")])
def test_a_model_with_two_open_axes(tmp_path: Path, write: object, suffix: str) -> None:
    if suffix == "onnx":
        pytest.importorskip("onnx")
    torch.manual_seed(0)
    exported = write(
        Encoder(), torch.randint(0, 20, (1, 6)), tmp_path / f"encoder.{suffix}",
        input_names=["token_ids"], output_names=["token_states", "sentence"], dynamic={"ids": {1: "length"}},
    )  # fmt: skip
    status, report = run_import(exported, tmp_path)
    assert status == 0
    outputs = report["reference"]["outputs"]
    assert [output["output"] for output in outputs] == ["token_states", "sentence"] * 2
    assert all(output["max_relative_error"] < 1e-4 for output in outputs)


def test_a_reference_that_differs_writes_nothing(tmp_path: Path) -> None:
    exported = export(nn.Linear(3, 2), torch.randn(1, 3), tmp_path / "model.pt2")
    arrays = dict(np.load(exported.references[1]))
    arrays["output"] = arrays["output"] + 0.1
    np.savez(exported.references[1], **arrays)
    status, report = run_import(exported, tmp_path)
    assert status == 1
    assert not report["reference"]["passed"]
    assert not (tmp_path / "imported.onnx").exists()
