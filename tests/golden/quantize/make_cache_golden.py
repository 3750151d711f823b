#!/usr/bin/env python3
"""Records calibration caches of the onnxruntime 1.32 Python quantizer, and checks that it reads planish's.

Run with a Python that has onnx and onnxruntime 1.32.0; never part of the tests themselves:

    python make_cache_golden.py tests/data/quantize              # records calibration_cache/*.json
    python make_cache_golden.py tests/data/quantize PLANISH      # has the command PLANISH write one, and compares

The second quantizes one model from one cache with both, and expects the same bytes in every initializer.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, quantize_static
from onnxruntime.quantization.calibrate import load_tensors_data

# Entropy keeps its histograms in the cache: a model of few tensors.
CACHES = {"minmax": ("conv_chain", CalibrationMethod.MinMax), "entropy": ("conv", CalibrationMethod.Entropy),
          "percentile": ("conv_chain", CalibrationMethod.Percentile)}


def samples(count=4):
    random = np.random.default_rng(20250131)
    return [random.standard_normal((1, 3, 8, 8)).astype(np.float32) for _ in range(count)]


class Reader(CalibrationDataReader):
    def __init__(self):
        self.samples = iter(samples())

    def get_next(self):
        sample = next(self.samples, None)
        return None if sample is None else {"x": sample}


def bounds(path):
    data = load_tensors_data(path)
    return {name: [float(np.squeeze(bound)) for bound in value.range_value] for name, value in sorted(data.items())}


def record(folder):
    out = folder / "calibration_cache"
    out.mkdir(exist_ok=True)
    ranges = {}
    for name, (model, method) in CACHES.items():
        cache = out / f"{name}.json"
        cache.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            quantize_static(folder / f"golden/models/{model}.onnx", f"{scratch}/out.onnx", Reader(),
                            calibrate_method=method, calibration_cache_path=cache)
        ranges[name] = bounds(cache)
    (out / "ranges.json").write_text(json.dumps(ranges, indent=1) + "\n")


def initializers(path):
    return {i.name: (i.data_type, list(i.dims), onnx.numpy_helper.to_array(i).tobytes())
            for i in onnx.load(path).graph.initializer}


def check(folder, planish):
    model = folder / "golden/models/conv_chain.onnx"
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        (scratch / "samples").mkdir()
        for i, sample in enumerate(samples()):
            np.save(scratch / f"samples/{i}.npy", sample)
        run = lambda *words: subprocess.run([planish, *map(str, words)], check=True, stdout=subprocess.DEVNULL)
        run("calibrate", model, "--data", scratch / "samples", "--cache-format", "onnxruntime", "-o", scratch / "cache.json")
        run("quantize", model, "--calibration", scratch / "cache.json", "--profile", "onnxruntime-1.32",
            "--activation", "s8", "-o", scratch / "ours.onnx")
        quantize_static(model, scratch / "theirs.onnx", None, calibration_cache_path=scratch / "cache.json")
        ours, theirs = initializers(scratch / "ours.onnx"), initializers(scratch / "theirs.onnx")
        assert ours == theirs, sorted(n for n in ours.keys() | theirs.keys() if ours.get(n) != theirs.get(n))
        # Kernels of the optimized session add in another order: 1e-6 of a range.
        observed, peer = bounds(scratch / "cache.json"), json.loads(
            (folder / "calibration_cache/ranges.json").read_text())["minmax"]
        assert observed.keys() == peer.keys(), observed.keys() ^ peer.keys()
        worst = max(abs(a - b) / (r[1] - r[0]) for n, r in peer.items() for a, b in zip(r, observed[n]))
        print(f"{len(ours)} initializers equal; ranges differ by at most {worst:.1e} of their width")


if __name__ == "__main__":
    record(pathlib.Path(sys.argv[1])) if len(sys.argv) == 2 else check(pathlib.Path(sys.argv[1]), sys.argv[2])
