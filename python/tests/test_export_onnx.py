"""The classic route keeps the same promises."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from planish_export import ExportError, export_onnx

onnx = pytest.importorskip("onnx")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


def dims_of(value: object) -> list[object]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def test_writes_one_file_with_an_open_batch_and_the_names_given(out: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten()).train()
    exported = export_onnx(model, torch.randn(1, 3, 6, 6), out, input_names=["image"], output_names=["features"])
    assert model.training
    graph = onnx.load(out).graph
    assert [value.name for value in graph.input] == ["image"]
    assert [value.name for value in graph.output] == ["features"]
    assert dims_of(graph.input[0]) == ["batch", 3, 6, 6]
    assert dims_of(graph.output[0])[0] == "batch"
    assert not [node for node in graph.node if node.op_type == "Dropout"]
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "model.onnx", "model.reference-2.npz", "model.reference.npz"]  # fmt: skip
    assert len(exported.references) == 2


def test_an_active_dropout_is_refused(out: Path) -> None:
    class Functional(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.dropout(x)

    with pytest.raises(ExportError, match=r"operators of training \(Dropout\)"):
        export_onnx(Functional(), torch.randn(2, 3), out)
    assert not out.exists()


def test_a_batch_that_the_model_fixes_is_refused(out: Path) -> None:
    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.reshape(2, 4)

    with pytest.raises(ExportError, match="does not run with batch 3"):
        export_onnx(Fixed(), torch.randn(2, 4), out)


def test_an_input_that_is_not_used_is_told(out: Path) -> None:
    class Unused(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return a + 1

    with pytest.raises(ExportError, match="leave it out of the example inputs"):
        export_onnx(Unused(), (torch.randn(2, 3), torch.randn(2, 3)), out)
