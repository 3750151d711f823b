"""Names of outputs, and what a model gives under them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import Tensor
from torch.utils import _pytree as pytree

from ._errors import ExportError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")


def check_names(kind: str, names: Sequence[str], count: int) -> tuple[str, ...]:
    """The names as they are, when there are ``count`` different ones that every tool accepts."""
    if isinstance(names, str):
        raise ExportError(f"{kind} names are the string '{names}'; expected a list of names")
    if len(names) != count:
        raise ExportError(f"{len(names)} {kind} names; the model has {count} {kind}s")
    for name in names:
        if not _NAME.fullmatch(name):
            raise ExportError(f"{kind} name '{name}'; expected a letter or '_', then letters, digits, '_', '.' and '-'")
    if len(set(names)) != len(names):
        raise ExportError(f"{kind} names {', '.join(names)}; expected each once")
    return tuple(names)


def tensors_of(result: object) -> list[Tensor]:
    """The tensors of what ``forward()`` returned, in its order; None is left out."""
    tensors = []
    for leaf in pytree.tree_leaves(result):
        if leaf is None:
            continue
        if not isinstance(leaf, Tensor):
            raise ExportError(f"forward() returns a {type(leaf).__name__}; expected tensors")
        tensors.append(leaf)
    if not tensors:
        raise ExportError("forward() returns no tensor")
    return tensors


def output_names(result: object, names: Sequence[str] | None) -> tuple[str, ...]:
    """The names given; else the keys of what ``forward()`` returned; "output" for a lone tensor."""
    count = len(tensors_of(result))
    if names is not None:
        return check_names("output", names, count)
    paths, _ = pytree.tree_flatten_with_path(result)
    own = [_path_name(path) for path, leaf in paths if leaf is not None]
    if count == 1:
        return (own[0] or "output",)
    if all(own):
        return check_names("output", [name or "" for name in own], count)
    raise ExportError(
        f"forward() returns {count} tensors without names, so they would be named by their position; give them: "
        f"output_names=({', '.join(repr(f'output_{i}') for i in range(count))})"
    )


def _path_name(path: tuple[object, ...]) -> str | None:
    """The path to ["scores"] is "scores", to ["0"] "output_0"; None when a part is a position."""
    parts = []
    for key in path:
        part = key.key if isinstance(key, pytree.MappingKey) else getattr(key, "name", None)
        if not isinstance(part, str):
            return None
        parts.append(part)
    name = ".".join(parts)
    return f"output_{name}" if name[:1].isdigit() else name
