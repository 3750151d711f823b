"""Evaluation mode: set, and held to what was really exported."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import fx, nn

from ._errors import ExportError


@contextlib.contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """``model.eval()``; afterwards every module is as it was."""
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        for name, module in model.named_modules():
            if module.training:
                raise ExportError(
                    f"module '{name}' ({type(module).__name__}) stays in training mode after eval(); its train() does "
                    "not pass the mode on"
                )
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def check_no_training(graph_module: fx.GraphModule) -> None:
    """Refuses what only training does: eval() does not reach what forward() asks for by itself."""
    found = []
    for module in graph_module.modules():
        if not isinstance(module, fx.GraphModule):
            continue
        for node in module.graph.nodes:
            why = _training(node)
            if why:
                found.append(f"{node.target} {why}, {where(node)}")
    if found:
        raise ExportError(
            "the model trains although eval() was called:\n  "
            + "\n  ".join(found)
            + "\nPass the mode on: training=self.training, or dropout_p=self.p if self.training else 0.0."
        )


# The arguments that make an operator random or make it use the batch's statistics, by its name.
_DROPOUTS = ("dropout", "dropout_", "alpha_dropout", "alpha_dropout_", "feature_dropout", "feature_dropout_",
             "feature_alpha_dropout", "native_dropout")  # fmt: skip
_RANDOM = ("rand", "randn", "rand_like", "randn_like", "randint", "randint_like", "randperm", "bernoulli",
           "bernoulli_", "normal", "normal_", "uniform_", "multinomial", "exponential_")  # fmt: skip


def _training(node: fx.Node) -> str | None:
    schema = getattr(node.target, "_schema", None)
    if node.op != "call_function" or schema is None:
        return None
    name = schema.name.split("::")[-1]
    given = dict(zip((a.name for a in schema.arguments), node.args, strict=False)) | dict(node.kwargs)
    values = {a.name: given.get(a.name, a.default_value) for a in schema.arguments}
    if name in _DROPOUTS and values.get("train") is not False and values.get("p", 0.0) > 0.0:
        return "drops values at random"
    if values.get("dropout_p", 0.0):
        return "drops attention at random"
    if (name == "batch_norm" and values["training"] and not _is_of_weights(values)) or name.startswith(
        "_native_batch_norm_legit_functional"
    ):
        return "normalizes with the statistics of the batch"
    if name in ("rrelu", "rrelu_") and values["training"]:
        return "draws slopes at random"
    if name in _RANDOM:
        return "draws numbers at random"
    return None


def _is_of_weights(values: dict[str, object]) -> bool:
    """A batch norm of one sample without statistics of its own: how weights are standardized."""
    value = getattr(values["input"], "meta", {}).get("val")
    return values["running_mean"] is None and value is not None and value.shape[0] == 1


def where(node: fx.Node) -> str:
    """Where a call stands, for people: the module and the line of the source."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path, kind = stack[-1] if stack else ("", "")
    kind = kind.rsplit(".", 1)[-1] if isinstance(kind, str) else getattr(kind, "__name__", "")
    text = f"in module '{path}' ({kind})" if path else "in the model itself"
    lines = [line.strip() for line in (node.meta.get("stack_trace") or "").splitlines() if "File " in line]
    own = [line for line in lines if "/torch/" not in line]
    return f"{text}, {(own or lines)[-1]}" if lines else text
