#!/usr/bin/env python3
"""Exports small modules with torch.export, with what torch computes of them.

Run with a Python that has torch 2.13; never part of the tests themselves:

    python make_golden.py OUT_FOLDER [FAMILY...]      # OUT_FOLDER: tests/data/torch

OUT_FOLDER/<family>.zip     per case: <case>.pt2 as torch.export.save writes it, and <case>.npz with the
                            inputs "i0", "i1" ... and outputs "o0", "o1" ..., in the order of the signature;
                            more of them as <case>.2.npz ... with other sizes for the dynamic dimensions.
                            They are stored in a zip "cases.zip" that is the one, deflated member of the file: what
                            archives have in common is compressed away.

The families are the files cases_<family>.py beside this one. Each has CASES: name -> Case. A case is exported
undecomposed, and, unless it says otherwise, as "<case>.core" after run_decompositions(). Weights are normal
numbers from a fixed seed.
"""
import dataclasses
import importlib
import io
import pathlib
import re
import sys
import tempfile
import zipfile

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass
class Case:
    """module(*inputs) is exported; `more` are other inputs, with other sizes, that it shall work for too."""

    module: torch.nn.Module
    inputs: tuple
    dynamic: object = None  # dynamic_shapes of torch.export.export
    more: tuple = ()
    core: bool = True
    training: bool = False


class Call(torch.nn.Module):
    """A module of one function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def floats(*dims, scale=1.0):
    return torch.randn(dims) * scale


def randomize(module):
    """Statistics and scales of normalizations that are not 1 and 0."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.5)
        for name, buffer in module.named_buffers():
            if "running_var" in name:
                buffer.copy_(torch.rand_like(buffer) + 0.5)
            elif "running_mean" in name:
                buffer.copy_(torch.randn_like(buffer) * 0.5)


def without_local_paths(program):
    """Stack traces name files of the machine that exports; what stands before site-packages goes."""
    for module in program.graph_module.modules():
        if not isinstance(module, torch.fx.GraphModule):
            continue
        for node in module.graph.nodes:
            trace = node.meta.get("stack_trace")
            if trace:
                trace = re.sub(r'File "[^"]*/site-packages/', 'File "site-packages/', trace)
                node.meta["stack_trace"] = re.sub(r'File "/[^"]*/(cases_\w+\.py|make_golden\.py)"', r'File "\1"', trace)
            node.meta.pop("from_node", None)
    program._example_inputs = None
    return program


def save(archive, name, program, runs):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / f"{name}.pt2"
        torch.export.save(without_local_paths(program), path)
        add(archive, path.name, path.read_bytes())
    for number, arrays in enumerate(runs):
        stream = io.BytesIO()
        np.savez(stream, **arrays)
        add(archive, f"{name}.npz" if number == 0 else f"{name}.{number + 1}.npz", stream.getvalue())


def add(archive, name, content):
    """With a fixed date, so that the same cases give the same file."""
    archive.writestr(zipfile.ZipInfo(name, (2025, 1, 1, 0, 0, 0)), content)


def write_family(path, cases):
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo("cases.zip", (2025, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, cases, compresslevel=9)


def to_numpy(value):
    if isinstance(value, (int, float, bool)):
        return np.asarray(value)
    value = value.detach()
    return (value.float() if value.dtype in (torch.bfloat16, torch.float16) else value).numpy()


def run(module, inputs):
    outputs = module(*[i.clone() if isinstance(i, torch.Tensor) else i for i in inputs])
    flat = [o for o in torch.utils._pytree.tree_leaves(outputs) if o is not None]
    arrays = {f"i{k}": to_numpy(v) for k, v in enumerate(torch.utils._pytree.tree_leaves(inputs))}
    arrays.update({f"o{k}": to_numpy(v) for k, v in enumerate(flat)})
    return arrays


def record(archive, name, case):
    module = case.module.train(case.training)
    randomize(module)
    runs = [run(module, inputs) for inputs in (case.inputs, *case.more)]
    program = torch.export.export(module, case.inputs, dynamic_shapes=case.dynamic)
    if case.core:
        save(archive, f"{name}.core", program.run_decompositions(), runs)
    save(archive, name, program, runs)


def main():
    out = pathlib.Path(sys.argv[1])
    wanted = sys.argv[2:]
    sys.path.insert(0, str(HERE))
    sys.modules["make_golden"] = sys.modules["__main__"]
    for path in sorted(HERE.glob("cases_*.py")):
        family = path.stem.removeprefix("cases_")
        if wanted and family not in wanted:
            continue
        torch.manual_seed(20250131)
        cases = io.BytesIO()
        with torch.no_grad(), zipfile.ZipFile(cases, "w") as archive:
            for name, case in importlib.import_module(path.stem).CASES.items():
                record(archive, name, case)
        write_family(out / f"{family}.zip", cases.getvalue())
        print(family, (out / f"{family}.zip").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
