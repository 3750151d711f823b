"""Example inputs by name, and the axes of theirs that are left open."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.export import Dim

from ._errors import ExportError

ExampleInputs = Tensor | Sequence[Tensor] | Mapping[str, Tensor]
DynamicAxes = Mapping[str, Mapping[int, str | Dim]]

BATCH = "batch"


@dataclass(frozen=True)
class Inputs:
    """The arguments of one call of ``forward()``, by the names of its parameters, in their order."""

    arguments: dict[str, Tensor]
    by_keyword: bool
    axes: dict[str, dict[int, str]]  # open axes, by the name of the parameter: axis, name of its size
    dims: dict[str, Dim]  # by the name of the size

    @property
    def args(self) -> tuple[Tensor, ...]:
        return () if self.by_keyword else tuple(self.arguments.values())

    @property
    def kwargs(self) -> dict[str, Tensor]:
        return self.arguments if self.by_keyword else {}

    @property
    def batch(self) -> int:
        return next(self.arguments[name].shape[0] for name, axes in self.axes.items() if axes.get(0) == BATCH)

    def with_batch(self, count: int) -> Inputs:
        """The same inputs with ``count`` rows: the first ones, repeated when there are too few."""
        arguments = {
            name: _rows(value, count) if self.axes[name].get(0) == BATCH else value
            for name, value in self.arguments.items()
        }
        return replace(self, arguments=arguments)

    def run(self, module: nn.Module) -> object:
        """What ``module`` gives for copies of the inputs; it may change what it is given."""
        copies = {name: value.clone() for name, value in self.arguments.items()}
        try:
            with torch.no_grad():
                return module(**copies) if self.by_keyword else module(*copies.values())
        except Exception as error:
            raise ExportError(f"the model does not run with batch {self.batch}: {error}") from error


def read_inputs(model: nn.Module, example: ExampleInputs, dynamic: DynamicAxes, unbatched: Collection[str]) -> Inputs:
    """Names the inputs after the parameters of ``forward()`` and opens axis 0 of each."""
    arguments, by_keyword = _named(model, example)
    for name, value in arguments.items():
        if not isinstance(value, Tensor):
            raise ExportError(
                f"input '{name}' is of type {type(value).__name__}; expected a tensor. Wrap the model in a module "
                "whose forward() takes tensors only."
            )
    for name in (*dynamic, *unbatched):
        if name not in arguments:
            raise ExportError(f"'{name}' is no input; the inputs are {', '.join(arguments)}")
    axes: dict[str, dict[int, str]] = {}
    dims = {BATCH: Dim(BATCH, min=1)}
    for name, value in arguments.items():
        axes[name] = {0: BATCH} if value.dim() > 0 and name not in unbatched else {}
        for axis, size in dynamic.get(name, {}).items():
            if not 0 <= axis < value.dim():
                raise ExportError(f"axis {axis} of input '{name}', which has {value.dim()} axes")
            dim = Dim(size, min=1) if isinstance(size, str) else size
            axes[name][axis] = dim.__name__
            if not isinstance(size, str) or dim.__name__ not in dims:
                dims[dim.__name__] = dim
    inputs = Inputs(arguments, by_keyword, axes, dims)
    _check_sizes(inputs)
    return inputs


def _named(model: nn.Module, example: ExampleInputs) -> tuple[dict[str, Tensor], bool]:
    parameters = inspect.signature(model.forward).parameters.values()
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if isinstance(example, Mapping):
        known = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        for name in example:
            if name not in known:
                raise ExportError(f"forward() has no parameter '{name}'; its parameters are {', '.join(known)}")
        # In the order of forward(), which is the order of the model's inputs.
        return {name: example[name] for name in known if name in example}, True
    values = (example,) if isinstance(example, Tensor) else tuple(example)
    if not values:
        raise ExportError("no example inputs; expected a tensor for each parameter of forward()")
    rest = next((p.name for p in parameters if p.kind == p.VAR_POSITIONAL), None)
    if len(values) > len(positional) and rest is None:
        raise ExportError(f"{len(values)} example inputs; forward() takes {len(positional)}: {', '.join(positional)}")
    names = positional[: len(values)] + [f"{rest}_{i}" for i in range(len(values) - len(positional))]
    return dict(zip(names, values, strict=True)), False


def has_names_of_its_own(model: nn.Module, inputs: Inputs) -> bool:
    """Whether ``forward()`` names every input; those of ``*args`` it does not."""
    return all(name in inspect.signature(model.forward).parameters for name in inputs.arguments)


def _check_sizes(inputs: Inputs) -> None:
    """Axes of one name have one size."""
    sizes: dict[str, tuple[int, str]] = {}
    for name, axes in inputs.axes.items():
        for axis, size_name in axes.items():
            size = inputs.arguments[name].shape[axis]
            known, where = sizes.setdefault(size_name, (size, f"axis {axis} of '{name}'"))
            if known != size:
                raise ExportError(
                    f"'{size_name}' is {known} ({where}) and {size} (axis {axis} of '{name}'); expected one size. Give "
                    "inputs of one size, or name those without a batch axis in unbatched=."
                )
    if BATCH not in sizes:
        raise ExportError("no input has a batch axis; expected axis 0 of at least one to be the batch")
    for size_name, (size, where) in sizes.items():
        # torch.export takes a size of 1 for one that is always 1; a batch can be repeated, other axes not.
        if size < (1 if size_name == BATCH else 2):
            raise ExportError(
                f"'{size_name}' is {size} ({where}); expected an example with at least 2 along an open axis"
            )


def _rows(value: Tensor, count: int) -> Tensor:
    repeats = -(-count // value.shape[0])
    return value.repeat(repeats, *[1] * (value.dim() - 1))[:count]
