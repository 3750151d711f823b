#!/usr/bin/env python3
"""Where the time of each model goes, by kind of work, against the limit of this CPU: docs/where-time-goes.md.

    python3 bench/where_time_goes.py --planish build/release/bin/planish --work FOLDER [-o docs/where-time-goes.md]

FOLDER is that of bench/peers/run.py: NAME/model.onnx is the FP32 model, NAME/best.onnx its INT8 model.
Each is run by `planish inspect --optimized`: medians of 20 runs of ONNX Runtime's profiler on random inputs, one thread.
"""
import argparse
import json
import os
import pathlib
import subprocess

os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def inspect(planish, model):
    done = subprocess.run([planish, "inspect", "--optimized", "--json", model], stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def rows(found, least_share):
    kinds = found["kinds_of_work"]
    total = sum(kind["time_us"] for kind in kinds)
    shown = [kind for kind in kinds if kind["time_us"] >= least_share * total]
    rest = total - sum(kind["time_us"] for kind in shown)
    for kind in shown:
        limit = kind["share_of_limit"]
        yield (kind["kind"], kind["kernels"], f"{kind['macs'] / 1e6:.1f}" if kind["macs"] else "–", f"{kind['time_us'] / 1e3:.2f}",
               f"{100 * kind['time_us'] / total:.0f} %", f"{100 * limit:.0f} %" if limit else "–")
    if len(shown) < len(kinds):
        yield "the rest", sum(k["kernels"] for k in kinds) - sum(k["kernels"] for k in shown), "–", f"{rest / 1e3:.2f}", f"{100 * rest / total:.0f} %", "–"


def table(name, planish, folder):
    lines = [f"### {name}", "", "| | kind of work | kernels | MMAC | ms | share | of limit |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for title, file in (("FP32", "model.onnx"), ("INT8", "best.onnx")):
        if not (folder / file).exists():
            continue
        for i, row in enumerate(rows(inspect(planish, folder / file), 0.02)):
            lines.append(f"| {'**' + title + '**' if i == 0 else ''} | " + " | ".join(str(cell) for cell in row) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--planish", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("-o", "--output", type=pathlib.Path)
    options = parser.parse_args()
    planish = options.planish.resolve()
    host = json.loads(subprocess.run([planish, "host", "--json"], stdout=subprocess.PIPE, check=True, text=True).stdout)
    peaks = host["peaks"]
    text = f"""# Where the time goes

By kind of work, of the graph that ONNX Runtime really runs (`planish inspect --optimized`), for FP32 models and what planish makes of them (`planish
auto`; `planish quantize` where weights are random). *Of limit* is the time that the multiply-accumulates would take at the measured peak of one core
([host.md](host.md)) over the time that they took. Written by `bench/where_time_goes.py`.

{host['cpu']} ({', '.join(host['isa'])}), one thread, batch 1, ONNX Runtime {host['onnxruntime']}; peaks of one core: FP32
{peaks['fp32_macs_per_second']['one_core'] / 1e9:.1f} G multiply-accumulates/s, INT8 {peaks['int8_macs_per_second']['one_core'] / 1e9:.1f}. Convolutions without work (–): the file's own nodes compute the shapes, which only preparation resolves.

"""
    folders = sorted(path.parent for path in options.work.glob("*/model.onnx"))
    text += "\n\n".join(table(folder.name, planish, folder) for folder in folders) + "\n"
    if options.output:
        options.output.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
