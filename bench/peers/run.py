#!/usr/bin/env python3
"""planish against the other tools that make INT8 models for ONNX Runtime: one table of speed and accuracy.

    PEERS/bin/python bench/peers/run.py --planish build/release/bin/planish --work FOLDER [--material FOLDER]
                                        [--torchvision FOLDER] [--only NAME,…] [--again STEP,…] [-o docs/benchmarks.md]

PEERS is a Python environment with onnxruntime, nncf, onnx, Pillow and, for single models, torch with transformers and the
packages that hold them (subjects.py). A model whose source is not there is left out, and the report says so.

Steps, each kept in FOLDER and repeated only when asked for: `data` (the model and its samples), `make` (the quantized
models), `compare` (accuracy on the evaluation samples), `bench` (speed: all models of a subject in turns of one run,
several runs, the median of whose ratios counts).
"""
import argparse
import datetime
import json
import os
import pathlib
import shlex
import shutil
import statistics
import subprocess
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import report
import subjects

STEPS = ("data", "make", "compare", "bench")
TOOLS = ("best", "parity", "onnxruntime", "nncf")


def run(command, log):
    """Exit status and standard output of a command; what it says on the other stream goes to `log`."""
    with open(log, "w") as errors:
        done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=errors, text=True)
    return done.returncode, done.stdout


def last_line(log):
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "failed"


class Bench:
    def __init__(self, options):
        self.options = options
        self.planish = options.planish.resolve()
        self.sources = subjects.Sources(options.material, options.torchvision)

    def folder(self, subject):
        return self.options.work / subject.name

    def data(self, subject):
        folder = self.folder(subject)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        subject.make(folder, self.sources)

    def command(self, tool, subject, output):
        folder = self.folder(subject)
        data = ["--data", folder / "calibration"]
        if tool == "best":
            labels = ["--labels", folder / "labels.csv"] if (folder / "labels.csv").exists() else []
            # Random weights have no accuracy to keep: the fastest model is looked for.
            limits = [] if subject.accuracy else ["--max-drop", "1", "--min-cosine", "-1"]
            return [self.planish, "auto", folder / "model.onnx", *data, "--eval-data", folder / "evaluation", *labels, *limits,
                    "--bench-seconds", self.options.auto_seconds, "--budget", self.options.auto_budget, "-o", folder / "auto"]
        if tool == "parity":
            mode = ["--mode", "dynamic"] if subject.transformer else data
            prepared = folder / "onnxruntime.prepared.onnx"  # what the peer quantizes, where it could be made
            model = prepared if prepared.exists() else folder / "model.onnx"
            return [self.planish, "quantize", model, "--profile", "onnxruntime-1.32", *mode, "--per-channel",
                    "--reduce-range", "-o", output]
        script = pathlib.Path(__file__).with_name("peers.py")
        return [sys.executable, script, tool, folder, output, "transformer" if subject.transformer else "static"]

    def make(self, subject):
        """Writes TOOL.onnx for every tool; what failed is in made.json with the reason."""
        folder, failures = self.folder(subject), {}
        for tool in sorted(TOOLS, key=lambda tool: tool == "parity"):  # last: it starts from what the peer prepared
            output, log = folder / f"{tool}.onnx", folder / f"{tool}.log"
            output.unlink(missing_ok=True)
            status, _ = run(self.command(tool, subject, output), log)
            if tool == "best" and (folder / "auto" / "model.onnx").exists():
                shutil.copy(folder / "auto" / "model.onnx", output)
                status = 0  # 1: FP32 is the best there is, and what is handed out
            if status != 0 or not output.exists():
                failures[tool] = last_line(log)
                output.unlink(missing_ok=True)
        (folder / "made.json").write_text(json.dumps({"failures": failures}))

    def compare(self, subject):
        folder, found = self.folder(subject), {}
        labels = ["--labels", folder / "labels.csv"] if (folder / "labels.csv").exists() else []
        for tool in TOOLS:
            model = folder / f"{tool}.onnx"
            if not model.exists():
                continue
            log = folder / f"{tool}.compare.log"
            _, text = run([self.planish, "compare", folder / "model.onnx", model, "--data", folder / "evaluation", *labels, "--json"], log)
            result = json.loads(text) if text else {}
            found[tool] = result if "cosine_mean" in result else {"failure": last_line(log)}
        (folder / "accuracy.json").write_text(json.dumps(found))

    def bench(self, subject):
        folder = self.folder(subject)
        accuracy = json.loads((folder / "accuracy.json").read_text())
        tools = [tool for tool in TOOLS if "failure" not in accuracy.get(tool, {"failure": ""})]
        rounds = []
        for _ in range(self.options.rounds):
            status, text = run([self.planish, "bench", folder / "model.onnx", *(folder / f"{tool}.onnx" for tool in tools), "--data",
                                folder / "evaluation", "--max-samples", "4", "--threads", "1", "--seconds", self.options.seconds, "--json"],
                               folder / "bench.log")
            if status != 0:
                raise RuntimeError(last_line(folder / "bench.log"))
            rounds.append(json.loads(text))
        speed = {tool: {"ms": min(r["results"][i + 1]["latency_ms"]["min"] for r in rounds),
                        "ratios": [r["results"][i + 1]["speedup"]["median"] for r in rounds]} for i, tool in enumerate(tools)}
        speed["fp32"] = {"ms": min(r["results"][0]["latency_ms"]["min"] for r in rounds)}
        for tool in tools:
            speed[tool]["ratio"] = statistics.median(speed[tool]["ratios"])
        (folder / "speed.json").write_text(json.dumps({
            "speed": speed, "host": rounds[0]["host"], "date": datetime.date.today().isoformat(),
            "other_load": statistics.mean(r["other_load_share"] for r in rounds)}))

    def needs(self, subject, step):
        marks = {"data": "model.onnx", "make": "made.json", "compare": "accuracy.json", "bench": "speed.json"}
        return step in self.options.again or not (self.folder(subject) / marks[step]).exists()

    def measure(self, subject):
        """Runs the steps that are missing, and those behind them."""
        missing = False
        for step in STEPS:
            missing = missing or self.needs(subject, step)
            if not missing:
                continue
            print(f"{subject.name}: {step}", file=sys.stderr, flush=True)
            getattr(self, step)(subject)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--planish", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--material", type=pathlib.Path, default=os.environ.get("PLANISH_MATERIAL"))
    parser.add_argument("--torchvision", type=pathlib.Path, default=os.environ.get("PLANISH_TORCHVISION"))
    parser.add_argument("--only", default="", help="comma-separated names of models")
    parser.add_argument("--again", default="", help=f"comma-separated steps to repeat: {', '.join(STEPS)}")
    parser.add_argument("--seconds", default="2", help="measured time per model and run")
    parser.add_argument("--auto-seconds", default="2", help="the same within planish auto")
    parser.add_argument("--auto-budget", default="10m", help="planish auto begins no further candidate after this")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved runs; the median of their ratios counts")
    parser.add_argument("-o", "--output", type=pathlib.Path)
    options = parser.parse_args()
    options.material = options.material and pathlib.Path(options.material)
    options.torchvision = options.torchvision and pathlib.Path(options.torchvision)
    options.again = set(filter(None, options.again.split(",")))
    only = set(filter(None, options.only.split(",")))
    unknown = (options.again - set(STEPS)) | (only - {s.name for s in subjects.SUBJECTS})
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    bench, left_out = Bench(options), {}
    for subject in subjects.SUBJECTS:
        if only and subject.name not in only:
            continue
        try:
            bench.measure(subject)
        except (FileNotFoundError, ImportError, RuntimeError) as error:
            left_out[subject.name] = str(error)
            print(f"{subject.name}: left out: {error}", file=sys.stderr)
    text = report.markdown(subjects.SUBJECTS, options.work, left_out, TOOLS)
    if options.output:
        options.output.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
