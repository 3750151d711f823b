"""What the model computes, for ``planish import --reference``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ._files import written_whole
from ._inputs import Inputs
from ._outputs import tensors_of


def write_reference(
    path: Path, model: nn.Module, inputs: Inputs, input_names: tuple[str, ...], output_names: tuple[str, ...]
) -> Path:
    """Runs the model and writes inputs and outputs by name."""
    arrays = {name: _array(value) for name, value in zip(input_names, inputs.arguments.values(), strict=True)}
    outputs = tensors_of(inputs.run(model))
    arrays |= {name: _array(value) for name, value in zip(output_names, outputs, strict=True)}
    with written_whole(path) as partial:
        np.savez(partial, **arrays)  # type: ignore[arg-type]  # its stub takes names for options
    return path


def _array(value: Tensor) -> np.ndarray:
    # NumPy has no bfloat16, and planish computes halves in float32.
    half = value.dtype in (torch.bfloat16, torch.float16)
    return (value.float() if half else value).detach().cpu().numpy()
