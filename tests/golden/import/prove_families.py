#!/usr/bin/env python3
"""Proves planish import on real model families: exports each, imports it, compares with torch.

Run with a Python that has torch 2.13, torchvision, timm and transformers; never part of the tests:

    python prove_families.py PLANISH [--write DOCUMENT] [FAMILY...]

Each family is exported by planish_export with an open batch and random weights (normalizations have statistics and
scales that are not 0 and 1), and imported with `planish import --reference` of one row and of two. Prints one row of
Markdown each; with --write the rows replace the table between the marks of DOCUMENT (docs/import.md). Exits 1 when a
family fails or differs by more than 1e-4 relative.
"""
from __future__ import annotations

import argparse
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "python")]

import torch 
from families import FAMILIES, Family
from planish_export import export
from torch import nn

TOLERANCE = 1e-4
HEADER = """| model | from | operators | nodes | file, MB | import, s | max \\|difference\\|, relative |
| --- | --- | --- | --- | --- | --- | --- |
"""
BEGIN, END = "<!-- families: begin -->\n", "<!-- families: end -->\n"


def randomize_normalizations(model: nn.Module, generator: torch.Generator) -> None:
    """Statistics and scales as trained ones have them, so that folding them is seen to be right."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(getattr(module, "running_mean", None), torch.Tensor):
                module.running_mean.normal_(0, 0.1, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
            is_norm = "Norm" in type(module).__name__
            weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
            if is_norm and isinstance(weight, torch.Tensor) and weight.dim() == 1:
                weight.uniform_(0.5, 1.5, generator=generator)
            if is_norm and isinstance(bias, torch.Tensor) and bias.dim() == 1:
                bias.normal_(0, 0.1, generator=generator)
            # Heads begin at 0: every output would be.
            if isinstance(weight, torch.Tensor) and weight.dim() > 1 and not weight.any():
                weight.normal_(0, 0.02, generator=generator)
            # Scales of residual branches begin at 0 or 1e-5: nothing would come through them.
            for name in ("layer_scale", "gamma", "gamma1", "gamma2", "gamma3"):
                scale = getattr(module, name, None)
                if isinstance(scale, nn.Parameter):
                    scale.uniform_(0.1, 0.5, generator=generator)


def prove(planish: str, family: Family, folder: pathlib.Path) -> dict[str, object]:
    torch.manual_seed(0)
    model = family.build()
    randomize_normalizations(model, torch.Generator().manual_seed(1))
    exported = export(
        model, family.inputs(), folder / "model.pt2", output_names=family.output_names, dynamic=family.dynamic
    )
    command = exported.command(str(folder / "model.onnx"))
    command[0] = planish
    start = time.monotonic()
    run = subprocess.run([*command, "--json", "--tolerance", str(TOLERANCE)], capture_output=True, text=True, check=False)
    seconds = time.monotonic() - start
    if run.returncode not in (0, 1):
        raise RuntimeError(run.stderr)
    report = json.loads(run.stdout)
    worst = max(report["reference"]["outputs"], key=lambda output: output["max_relative_error"] or float("inf"))
    return report | {"seconds": seconds, "bytes": exported.path.stat().st_size, "worst": worst}


def row_of(family: Family, report: dict[str, object]) -> str:
    error = report["worst"]["max_relative_error"]
    return (
        f"| {family.name} | {family.group} | {report['calls']} | {report['nodes']} | {report['bytes'] / 1e6:.1f} | "
        f"{report['seconds']:.2f} | {error:.1e} |\n"
    )


def write(document: pathlib.Path, rows: list[str]) -> None:
    text = document.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    day = datetime.date.today().isoformat()
    measured = f"{len(rows)} models, {day}, torch {torch.__version__.split('+')[0]}.\n\n"
    document.write_text(before + BEGIN + measured + HEADER + "".join(rows) + END + after)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("planish")
    parser.add_argument("family", nargs="*", help="parts of names; all when none is given")
    parser.add_argument("--write", type=pathlib.Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows, failed = [], []
    for family in FAMILIES:
        if arguments.family and not any(part in family.name for part in arguments.family):
            continue
        try:
            with tempfile.TemporaryDirectory() as folder:
                report = prove(arguments.planish, family, pathlib.Path(folder))
            rows.append(row_of(family, report))
            print(rows[-1], end="", flush=True)
            if not report["reference"]["passed"]:
                failed.append(f"{family.name}: {report['worst']}")
        except Exception as error: 
            print(f"FAILED {family.name}: {error}", flush=True)
            if not isinstance(error, RuntimeError):
                traceback.print_exc()
            failed.append(family.name)
    if arguments.write:
        write(arguments.write, rows)
    print("\nfailed:\n  " + "\n  ".join(failed) if failed else "\nall passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
