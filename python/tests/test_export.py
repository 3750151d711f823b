"""What export() promises: three rules, names, references, and a model that stays as it was."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from planish_export import ExportError, export


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4, 5)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.drop(self.norm(self.conv(image)).relu().mean((2, 3))))


class Two(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        return a + b, a - b


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "model.pt2"


def images(rows: int) -> Tensor:
    return torch.randn(rows, 3, 6, 6)


def test_exports_in_evaluation_mode_and_leaves_the_model_as_it_was(out: Path) -> None:
    model = Net().train()
    model.norm.eval()  # a module that its user froze
    export(model, images(2), out)
    assert model.training and model.drop.training and not model.norm.training
    program = torch.export.load(out)
    x = images(3)
    assert torch.equal(program.module()(x), program.module()(x))
    assert torch.allclose(program.module()(x), model.eval()(x), atol=1e-6)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_any_batch_runs_whatever_the_example_had(out: Path, rows: int) -> None:
    export(Net(), images(rows), out)
    module = torch.export.load(out).module()
    for batch in (1, 2, 7):
        assert module(images(batch)).shape == (batch, 5)


def test_references_hold_what_the_model_computes_of_one_row_and_of_several(out: Path) -> None:
    model = Net().eval()
    example = images(1)
    exported = export(model, example, out)
    assert [path.name for path in exported.references] == ["model.reference.npz", "model.reference-2.npz"]
    for path, rows in zip(exported.references, (1, 2), strict=True):
        arrays = np.load(path)
        assert sorted(arrays) == ["image", "output"]
        assert np.array_equal(arrays["image"], example.repeat(rows, 1, 1, 1).numpy())
        np.testing.assert_allclose(arrays["output"], model(example).detach().repeat(rows, 1).numpy(), atol=1e-6)
    assert exported.command()[:5] == ["planish", "import", str(out), "-o", "model.onnx"]


def test_no_references_when_not_asked_for_and_never_inputs_in_the_archive(out: Path) -> None:
    assert export(Net(), images(2), out, reference=False).references == ()
    assert [path.name for path in out.parent.iterdir()] == ["model.pt2"]
    with zipfile.ZipFile(out) as archive:
        assert all(archive.getinfo(name).file_size == 0 for name in archive.namelist() if "sample_inputs" in name)


def test_names_that_are_given_stand_in_the_archive(out: Path) -> None:
    exported = export(Two(), (images(2), images(2)), out, input_names=["x", "y"], output_names=["sum", "difference"])
    assert exported.input_names == ("x", "y") and exported.output_names == ("sum", "difference")
    with zipfile.ZipFile(out) as archive:
        names = json.loads(archive.read("model/extra/planish.json"))
    assert names == {"schema": 1, "inputs": ["x", "y"], "outputs": ["sum", "difference"]}
    assert sorted(np.load(exported.references[0])) == ["difference", "sum", "x", "y"]


def test_names_are_those_of_parameters_and_keys_when_not_given(out: Path) -> None:
    class Keys(nn.Module):
        def forward(self, image: Tensor, scale: Tensor) -> dict[str, Tensor]:
            return {"scaled": image * scale, "plain": image + 0}

    inputs = {"scale": torch.ones(2, 1, 1, 1), "image": images(2)}  # in another order than forward()'s
    exported = export(Keys(), inputs, out)
    assert exported.input_names == ("image", "scale")
    assert exported.output_names == ("scaled", "plain")


def test_keys_that_are_numbers_are_called_outputs(out: Path) -> None:
    class Levels(nn.Module):
        def forward(self, image: Tensor) -> dict[str, Tensor]:
            return {"0": image + 1, "pool": image * 2}

    assert export(Levels(), images(2), out).output_names == ("output_0", "pool")


def test_a_tuple_of_several_needs_names(out: Path) -> None:
    with pytest.raises(ExportError, match=r"2 tensors without names.*output_names=\('output_0', 'output_1'\)"):
        export(Two(), (images(2), images(2)), out)
    assert not out.exists()


def test_positional_rest_needs_names(out: Path) -> None:
    class Rest(nn.Module):
        def forward(self, *tensors: Tensor) -> Tensor:
            return tensors[0] + tensors[1]

    with pytest.raises(ExportError, match=r"\*args.*input_names="):
        export(Rest(), (images(2), images(2)), out)
    assert export(Rest(), (images(2), images(2)), out, input_names=["a", "b"]).input_names == ("a", "b")


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["a"], "1 input names; the model has 2"),
        (["a", "a"], "each once"),
        (["a", "b c"], "'b c'"),
        ("ab", "the string 'ab'"),
    ],
)
def test_names_that_do_not_fit_are_refused(out: Path, names: list[str], why: str) -> None:
    with pytest.raises(ExportError, match=why):
        export(Two(), (images(2), images(2)), out, input_names=names, output_names=["s", "d"])


def test_a_dropout_that_eval_does_not_reach_is_refused_with_its_line(out: Path) -> None:
    class Functional(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.dropout(x, 0.5)

    with pytest.raises(ExportError, match=r"dropout.*in module '1' \(Functional\).*test_export\.py") as error:
        export(nn.Sequential(nn.Identity(), Functional()), images(2), out)
    assert "training=self.training" in str(error.value)
    assert not out.exists()


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.batch_norm(x, torch.zeros(3), torch.ones(3), training=True),
        lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.1),
        lambda x: x + torch.randn_like(x),
        lambda x: F.rrelu(x, training=True),
    ],
)
def test_everything_random_is_refused(out: Path, function: object) -> None:
    class Random(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return function(x)

    with pytest.raises(ExportError, match="although eval"):
        export(Random(), images(2), out)


def test_standardized_weights_are_no_training(out: Path) -> None:
    class Standardized(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            weight = F.batch_norm(self.weight.reshape(1, self.out_channels, -1), None, None, training=True)
            return F.conv2d(x, weight.reshape_as(self.weight), self.bias)

    export(Standardized(3, 4, 3), images(2), out)
    assert torch.export.load(out).module()(images(3)).shape == (3, 4, 4, 4)


def test_a_module_that_does_not_pass_the_mode_on_is_refused(out: Path) -> None:
    class Stubborn(nn.Dropout):
        def train(self, mode: bool = True) -> Stubborn:
            return self

    with pytest.raises(ExportError, match=r"module '0' \(Stubborn\) stays in training mode"):
        export(nn.Sequential(Stubborn()), images(2), out)


def test_a_batch_that_became_a_number_is_refused(out: Path) -> None:
    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.reshape(2, -1)

    with pytest.raises(ExportError, match="does not let the sizes vary"):
        export(Fixed(), images(2), out)
    assert not out.exists()


def test_other_axes_can_be_open_and_have_limits(out: Path) -> None:
    class Mean(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return (a + b).mean(1)

    length = torch.export.Dim("length", min=2, max=9)
    export(Mean(), (torch.randn(2, 4, 3), torch.randn(2, 4, 3)), out, dynamic={"a": {1: length}, "b": {1: "length"}})
    assert torch.export.load(out).module()(torch.randn(5, 9, 3), torch.randn(5, 9, 3)).shape == (5, 3)


def test_inputs_without_a_batch(out: Path) -> None:
    class Lookup(nn.Module):
        def forward(self, ids: Tensor, table: Tensor) -> Tensor:
            return table[ids]

    exported = export(Lookup(), (torch.tensor([1, 2, 0]), torch.randn(4, 3)), out, unbatched=["table"])
    assert np.load(exported.references[0])["output"].shape == (1, 3)
    with pytest.raises(ExportError, match=r"'batch' is 3 .* and 4 "):
        export(Lookup(), (torch.tensor([1, 2, 0]), torch.randn(4, 3)), out)


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ((), "no example inputs"),
        ((torch.ones(2), torch.ones(2), torch.ones(2)), "3 example inputs; forward.. takes 2: a, b"),
        ({"a": torch.ones(2), "z": torch.ones(2)}, "no parameter 'z'"),
        (([torch.ones(2)], torch.ones(2)), "input 'a' is of type list"),
        ((torch.tensor(1.0), torch.tensor(1.0)), "no input has a batch axis"),
        ((torch.ones(0, 2), torch.ones(0, 2)), "'batch' is 0"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(out: Path, inputs: object, why: str) -> None:
    with pytest.raises(ExportError, match=why):
        export(Two(), inputs, out, output_names=["s", "d"])


def test_a_wrong_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"\.pt2"):
        export(Net(), images(2), tmp_path / "model.pt")


def test_bfloat16_references_are_float32(out: Path) -> None:
    exported = export(nn.Linear(3, 2).bfloat16(), torch.randn(2, 3, dtype=torch.bfloat16), out)
    assert np.load(exported.references[0])["output"].dtype == np.float32
