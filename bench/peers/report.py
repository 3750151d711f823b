"""The table of docs/benchmarks.md from what run.py left in its folder."""
import json

TITLES = {"best": "planish", "parity": "planish, `--profile onnxruntime-1.32`", "onnxruntime": "ONNX Runtime's tool", "nncf": "NNCF"}

INTRODUCTION = """# Benchmarks: planish and the other tools

Written by `bench/peers/run.py`, which says how each model and its samples are made. For every model: what `planish auto` hands
out, `planish quantize --profile onnxruntime-1.32`, ONNX Runtime's Python tool (QDQ, u8 · s8 per channel, 7-bit weights as it
advises for AVX2; `quantize_dynamic` for transformers) and NNCF with its defaults. All are calibrated with the same tensors and run by
the same ONNX Runtime on one thread, batch 1.

*Speed* is against FP32: the median ratio of turns of one interleaved run, median of the runs. *ms* is the least time of any run. Accuracy is
that of the evaluation samples, which nobody was calibrated with: top-1 by labels where there are any, agreement with FP32's top-1
where there are classes, and the cosine and SQNR of the first output against FP32.
"""


def load(path):
    return json.loads(path.read_text()) if path.exists() else {}


def percent(value):
    return "" if value is None else f"{100 * value:.1f} %"


def decibels(value):
    return "exact" if value is None else f"{value:.1f}"


def accuracy_cells(found, subject):
    """Top-1 and agreement where there are labels: other outputs have no classes."""
    if not subject.accuracy:
        return ["", "", "", ""]
    classes = [percent(found["int8_top1"]), percent(found["top1_agreement"])] if found.get("int8_top1") is not None else ["", ""]
    return [*classes, f"{found['cosine_mean']:.4f}", decibels(found.get("sqnr_db"))]


def how(folder):
    """What `planish auto` chose."""
    chosen = load(folder / "auto" / "report.json").get("chosen") or {}
    return chosen.get("name", "nothing")


def rows_of(subject, folder, tools):
    accuracy, measured = load(folder / "accuracy.json"), load(folder / "speed.json")
    speed, failures = measured.get("speed", {}), load(folder / "made.json").get("failures", {})
    top1 = next((a["fp32_top1"] for a in accuracy.values() if a.get("fp32_top1") is not None), None)
    yield [f"**{subject.name}**", "FP32", "1.00×", f"{speed['fp32']['ms']:.2f}", percent(top1), "", "", ""]
    for tool in tools:
        title = TITLES[tool] + (f" ({how(folder)})" if tool == "best" else "")
        if tool in speed:
            yield ["", title, f"{speed[tool]['ratio']:.2f}×", f"{speed[tool]['ms']:.2f}", *accuracy_cells(accuracy[tool], subject)]
        else:
            why = failures.get(tool) or accuracy.get(tool, {}).get("failure", "not made")
            yield ["", title, f"fails: {why}".replace("|", "\\|"), "", "", "", "", ""]


def markdown(subjects, work, left_out, tools):
    lines, notes, hosts = [], [], set()
    for subject in subjects:
        folder = work / subject.name
        if not (folder / "speed.json").exists():
            continue
        measured = load(folder / "speed.json")
        host = measured["host"]
        hosts.add(f"{host['cpu']} ({', '.join(host['isa'])}; {host['cores_usable']} cores), ONNX Runtime {host['onnxruntime']}")
        notes.append(f"* {subject.name}: {subject.note}; measured {measured['date']}, {100 * measured['other_load']:.0f} % of the cores busy with other work")
        lines += ["| " + " | ".join(row) + " |" for row in rows_of(subject, folder, tools)]
    header = ["| model | made by | speed | ms | top-1 | agreement | cosine | SQNR dB |", "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    missing = [f"* {name}: left out, {why}" for name, why in left_out.items()]
    return "\n".join([INTRODUCTION, "## Measured", "", f"{'; '.join(sorted(hosts))}.", "", *header, *lines, "", *notes, *missing, "", ""])
