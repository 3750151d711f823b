"""Models as archives of torch.export, as ``planish import`` reads them."""

from __future__ import annotations

import inspect
import json
import os
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from ._errors import ExportError
from ._exported import Exported
from ._files import written_whole
from ._inputs import DynamicAxes, ExampleInputs, Inputs, has_names_of_its_own, read_inputs
from ._outputs import check_names, output_names, tensors_of
from ._reference import write_reference
from ._rules import check_no_training, evaluation_mode

# Of the archive's extra/ folder: the names that planish import gives inputs and outputs.
NAMES_FILE = "planish.json"


def export(
    model: nn.Module,
    example_inputs: ExampleInputs,
    path: str | os.PathLike[str],
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic: DynamicAxes | None = None,
    unbatched: Collection[str] = (),
    reference: bool = True,
) -> Exported:
    """Exports a model in evaluation mode, with an open batch and fixed names; it stays as it was.

    Args:
        model: takes tensors and returns tensors (also in tuples, dictionaries and data classes).
        example_inputs: a tensor, tensors in the order of ``forward()``, or tensors by its parameters' names.
        path: ends with ".pt2".
        input_names: in the order of ``forward()``; its parameters' own names when not given.
        output_names: in the order of what ``forward()`` returns; must be given when that is a tuple of several.
        dynamic: further axes that stay open, by parameter: ``{"ids": {1: "length"}}``, or a ``torch.export.Dim``
            with limits. Axes of one name have one size.
        unbatched: parameters whose axis 0 is not the batch.
        reference: write inputs and outputs of one row and of several beside the model: "model.reference.npz" and
            "model.reference-2.npz", for ``planish import --reference``.

    Raises:
        ExportError: something of the model still trains, depends on the batch of the example, or would be named by
            its position. The message says what to do.
    """
    path = Path(path)
    if path.suffix != ".pt2":
        raise ExportError(f"'{path}'; expected a name that ends with .pt2")
    inputs = read_inputs(model, example_inputs, dynamic or {}, unbatched)
    inputs_named = names_of_inputs(model, inputs, input_names)
    with evaluation_mode(model):
        # A batch of 1 is taken for one that is always 1.
        several = inputs.with_batch(max(inputs.batch, 2))
        outputs_named = names_of_outputs(several.run(model), output_names)
        program = _exported(model, several)
        check_no_training(program.graph_module)
        _check_batch(program, model, inputs)
        _save(program, path, inputs_named, outputs_named)
        references = write_references(path, model, several, inputs_named, outputs_named) if reference else ()
    return Exported(path, references, inputs_named, outputs_named)


def names_of_inputs(model: nn.Module, inputs: Inputs, names: Sequence[str] | None) -> tuple[str, ...]:
    if names is None and not has_names_of_its_own(model, inputs):
        raise ExportError("forward() takes *args, which have no names; give input_names=")
    return check_names("input", tuple(inputs.arguments) if names is None else names, len(inputs.arguments))


def names_of_outputs(result: object, names: Sequence[str] | None) -> tuple[str, ...]:
    return output_names(result, names)


def write_references(
    path: Path, model: nn.Module, inputs: Inputs, input_names: tuple[str, ...], output_names: tuple[str, ...]
) -> tuple[Path, ...]:
    """Of one row, and of all."""
    return tuple(
        write_reference(path.with_suffix(suffix), model, inputs.with_batch(count), input_names, output_names)
        for suffix, count in ((".reference.npz", 1), (".reference-2.npz", inputs.batch))
    )


def _exported(model: nn.Module, inputs: Inputs) -> ExportedProgram:
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of PyTorch's own making
            return torch.export.export(model, inputs.args, inputs.kwargs, dynamic_shapes=_dynamic_shapes(model, inputs))
    except torch._dynamo.exc.UserError as error:
        raise ExportError(
            "torch.export does not let the sizes vary as asked:\n"
            f"{error}\n"
            "Where forward() turns a size into a number (int(x.shape[0]), a loop over the batch, view(2, -1)), use "
            "x.shape[0] as it is, or -1; where the model limits a size, say so: "
            'dynamic={"ids": {1: torch.export.Dim("length", max=512)}}.'
        ) from error


def _dynamic_shapes(model: nn.Module, inputs: Inputs) -> dict[str, object]:
    """By parameter of ``forward()``; those of *args together."""
    shapes: dict[str, object] = {
        name: {axis: inputs.dims[size] for axis, size in axes.items()} for name, axes in inputs.axes.items()
    }
    parameters = inspect.signature(model.forward).parameters
    rest = {name: shape for name, shape in shapes.items() if name not in parameters}
    for parameter in parameters.values():
        if parameter.kind == parameter.VAR_POSITIONAL and rest and not inputs.by_keyword:
            shapes = {name: shape for name, shape in shapes.items() if name not in rest}
            shapes[parameter.name] = tuple(rest.values())
    return shapes


def _check_batch(program: ExportedProgram, model: nn.Module, inputs: Inputs) -> None:
    """The program computes of one row what the model computes of it."""
    one = inputs.with_batch(1)
    actual = tensors_of(one.run(program.module()))
    for value, expected in zip(actual, tensors_of(one.run(model)), strict=True):
        if value.shape != expected.shape:
            raise ExportError(
                f"with batch 1 the exported program gives {list(value.shape)}; the model gives {list(expected.shape)}: "
                "forward() turns the batch into a number"
            )
        if not torch.allclose(*_comparable(value, expected), rtol=1e-3, atol=_scale(expected) * 1e-3, equal_nan=True):
            raise ExportError("with batch 1 the exported program computes something else than the model does")


def _comparable(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    return a.double(), b.double()


def _scale(value: Tensor) -> float:
    finite = value.double()[torch.isfinite(value.double())]
    return float(finite.abs().max()) if finite.numel() else 0.0


def _save(program: ExportedProgram, path: Path, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
    """Without the example inputs, which are the user's data."""
    program._example_inputs = None
    names = json.dumps({"schema": 1, "inputs": list(inputs), "outputs": list(outputs)})
    with written_whole(path) as partial:
        torch.export.save(program, partial, extra_files={NAMES_FILE: names})
