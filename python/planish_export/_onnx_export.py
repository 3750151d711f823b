"""Models as ONNX by torch.onnx.export, under the same rules."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    import onnx

from ._errors import ExportError
from ._exported import Exported
from ._files import written_whole
from ._inputs import BATCH, DynamicAxes, ExampleInputs, Inputs, read_inputs
from ._outputs import tensors_of
from ._rules import evaluation_mode
from ._torch_export import names_of_inputs, names_of_outputs, write_references


def export_onnx(
    model: nn.Module,
    example_inputs: ExampleInputs,
    path: str | os.PathLike[str],
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic: DynamicAxes | None = None,
    unbatched: Collection[str] = (),
    opset: int = 17,
    reference: bool = True,
) -> Exported:
    """Writes ONNX with the TorchScript exporter, for models that torch.export does not take.

    Prefer ``export``: its archive keeps operators whole and names layers after modules. The arguments are those of
    ``export``; ``opset`` is ONNX's, up to 20. Needs the package onnx, which reads what was written.

    Raises:
        ExportError: as ``export``; also when the file has another batch, other names, or operators of training.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise ExportError(f"'{path}'; expected a name that ends with .onnx")
    inputs = read_inputs(model, example_inputs, dynamic or {}, unbatched)
    inputs_named = names_of_inputs(model, inputs, input_names)
    with evaluation_mode(model):
        several = inputs.with_batch(max(inputs.batch, 2))
        result = several.run(model)
        outputs_named = names_of_outputs(result, output_names)
        open_axes = _open_axes(model, inputs, inputs_named, outputs_named)
        with written_whole(path) as partial:
            _write(model, several, partial, inputs_named, outputs_named, open_axes, opset)
            _check_file(partial, inputs_named, outputs_named, open_axes)
        references = write_references(path, model, several, inputs_named, outputs_named) if reference else ()
    return Exported(path, references, inputs_named, outputs_named)


def _open_axes(
    model: nn.Module, inputs: Inputs, input_names: tuple[str, ...], output_names: tuple[str, ...]
) -> dict[str, dict[int, str]]:
    """Of inputs as asked; of outputs what really varies with the batch."""
    axes = {name: dict(inputs.axes[own]) for name, own in zip(input_names, inputs.arguments, strict=True)}
    two, three = (tensors_of(inputs.with_batch(count).run(model)) for count in (2, 3))
    for name, a, b in zip(output_names, two, three, strict=True):
        axes[name] = {axis: BATCH if axis == 0 else f"{name}_dim{axis}"
                      for axis in range(a.dim()) if a.shape[axis] != b.shape[axis]}  # fmt: skip
    return {name: open_axes for name, open_axes in axes.items() if open_axes}


def _write(
    model: nn.Module, inputs: Inputs, path: Path, input_names: tuple[str, ...], output_names: tuple[str, ...],
    open_axes: dict[str, dict[int, str]], opset: int,
) -> None:  # fmt: skip
    with torch.no_grad(), warnings.catch_warnings(), _without_fast_path():
        warnings.simplefilter("ignore")  # the exporter says of itself that it is old
        torch.onnx.export(
            model, inputs.args, str(path), kwargs=inputs.kwargs, input_names=list(input_names),
            output_names=list(output_names), dynamic_axes=open_axes, opset_version=opset, dynamo=False,
            external_data=False, training=torch.onnx.TrainingMode.EVAL,
        )  # fmt: skip


@contextlib.contextmanager
def _without_fast_path() -> Iterator[None]:
    """Transformer layers in evaluation mode are one operator, which this exporter does not know."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


def _check_file(
    path: Path, input_names: tuple[str, ...], output_names: tuple[str, ...], open_axes: dict[str, dict[int, str]]
) -> None:
    try:
        import onnx
    except ImportError as error:
        raise ExportError(
            'export_onnx reads what was written with the package onnx: pip install "planish-export[onnx]"'
        ) from error
    graph = onnx.load(str(path), load_external_data=False).graph
    weights = {initializer.name for initializer in graph.initializer}
    values = {value.name: value for value in (*graph.input, *graph.output) if value.name not in weights}
    for kind, wanted, written in (
        ("inputs", input_names, [value.name for value in graph.input if value.name not in weights]),
        ("outputs", output_names, [value.name for value in graph.output]),
    ):
        if list(wanted) != written:
            raise ExportError(
                f"the ONNX model has the {kind} {', '.join(written)}; expected {', '.join(wanted)}. An input that "
                "forward() does not use is dropped: leave it out of the example inputs."
            )
    for name, axes in open_axes.items():
        dims = values[name].type.tensor_type.shape.dim
        for axis, size in axes.items():
            if axis < len(dims) and not dims[axis].dim_param:
                raise ExportError(
                    f"axis {axis} of '{name}' ({size}) has the size {dims[axis].dim_value} of the example: forward() "
                    "turns it into a number"
                )
    random = sorted({node.op_type for node in graph.node if _trains(node)})
    if random:
        raise ExportError(
            f"the ONNX model has operators of training ({', '.join(random)}) although eval() was called: pass the mode "
            "on in forward(): training=self.training"
        )


_RANDOM = ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")


def _trains(node: onnx.NodeProto) -> bool:
    if node.op_type == "Dropout":  # with training_mode, which eval() leaves out
        return len(node.input) > 2 and bool(node.input[2])
    if node.op_type == "BatchNormalization":
        return any(a.name == "training_mode" and a.i for a in node.attribute)
    return node.op_type in _RANDOM
