#!/usr/bin/env python3
"""Records what the calibrators of the onnxruntime 1.32 Python package make of known elements.

Run with a Python that has onnx, scipy and onnxruntime 1.32.0; never part of the tests themselves:

    python make_golden.py tests/data/calibrate/golden.json

Elements are made by formulas that float64 arithmetic gives alike everywhere, so the file holds
results only. What is recorded is what both define alike; docs/calibration.md says where planish
differs by design.
"""
import json
import os
import pathlib
import sys
import tempfile

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import numpy as np
import onnx
import scipy.stats
from onnx import TensorProto
from onnx import helper as h
from onnxruntime.quantization import calibrate

SAMPLES, SIZE = 16, 4096


def elements(kind):
    """float32 [SAMPLES, SIZE]; golden_test.cc has the same formulas."""
    i = np.arange(SAMPLES * SIZE, dtype=np.int64)
    share = ((i * 40503 + 12345) % 65536) / 65536.0
    t = 2.0 * share - 1.0
    values = {
        "uniform": share,
        "peaked": t * t * t * 5.0,
        "rectified": np.maximum(t * t * t * 5.0, 0.0),
        "heavy": t / (1.0001 - np.abs(t)),
    }[kind]
    # Samples of different sizes of element, so that their extremes differ.
    scale = 1.0 + (i // SIZE % 5) / 4.0
    return (values * scale).astype(np.float32).reshape(SAMPLES, SIZE)


def percentile(kind, share, symmetric):
    collector = calibrate.HistogramCollector("percentile", symmetric, 2048, None, share, None)
    collector.collect({"x": list(elements(kind))})
    low, high = collector.compute_collection_result()["x"][:2]
    edges = collector.get_histogram_dict()["x"][1]
    return {"kind": kind, "percentile": share, "symmetric": symmetric, "min": float(low), "max": float(high),
            "bin_width": float(edges[1] - edges[0])}


class Reader(calibrate.CalibrationDataReader):
    def __init__(self, kind):
        self.left = [{"x": row} for row in elements(kind)]

    def get_next(self):
        return self.left.pop(0) if self.left else None


def min_max(kind, moving_average):
    graph = h.make_graph([h.make_node("Neg", ["x"], ["y"])], "g",
                         [h.make_tensor_value_info("x", TensorProto.FLOAT, [SIZE])],
                         [h.make_tensor_value_info("y", TensorProto.FLOAT, [SIZE])])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "m.onnx"
        onnx.save(model, path)
        calibrator = calibrate.create_calibrator(
            path, ["Neg"], augmented_model_path=str(pathlib.Path(folder) / "a.onnx"),
            calibrate_method=calibrate.CalibrationMethod.MinMax, extra_options={"moving_average": moving_average})
        calibrator.collect_data(Reader(kind))
        data = calibrator.compute_data()["x"]
    return {"kind": kind, "min": float(np.squeeze(data.range_value[0])), "max": float(np.squeeze(data.range_value[1]))}


def dense_histogram():
    """2048 counts, none 0, such that each 16 of them have a mean that is an integer: then the peer's truncation
    of that mean, and its smoothing of zeros, change nothing."""
    i = np.arange(2048, dtype=np.int64)
    counts = 1 + (i * 37 % 101) + 4000 // (1 + abs(i - 1024) // 8)
    for start in range(0, 2048, 16):
        counts[start] += (-counts[start:start + 16].sum()) % 16
    return counts


def peer_divergence_of_whole_window(counts):
    """What get_entropy_threshold() finds for its last window, which is the whole histogram."""
    seen = []
    peer_entropy = calibrate.entropy
    calibrate.entropy = lambda p, q: seen.append(float(peer_entropy(p, q))) or seen[-1]
    collector = calibrate.HistogramCollector("entropy", True, 2048, 128, None, None)
    edges = np.linspace(-1.0, 1.0, 2049, dtype=np.float32)
    collector.get_entropy_threshold((counts, edges, np.float32(-1.0), np.float32(1.0)), 128)
    calibrate.entropy = peer_entropy
    return seen[-1]


def reference_divergence(counts, zeros, levels, begin, end):
    """D(P || Q) as docs/calibration.md defines it, by scipy in float64; None where it is infinite."""
    inside = counts[begin:end].astype(np.float64)
    p, q = inside.copy(), np.zeros(end - begin)
    p[0] += counts[:begin].sum()
    p[-1] += counts[end:].sum()
    for level in range(levels):
        part = slice(level * len(p) // levels, (level + 1) * len(p) // levels)
        filled = inside[part] > 0
        if filled.any():
            q[part][filled] = inside[part].sum() / filled.sum()
    divergence = scipy.stats.entropy(np.append(p, zeros), np.append(q, zeros))
    return float(divergence) if np.isfinite(divergence) else None


def main():
    counts = dense_histogram()
    sparse = np.where(np.arange(2048) * 13 % 7 == 0, 0, counts)
    windows = [(0, 2048), (0, 2047), (5, 1800), (700, 1400), (1000, 1300), (1, 257)]
    kinds = ["uniform", "peaked", "rectified", "heavy"]
    golden = {
        "onnxruntime": "1.32.0",
        "percentile": [percentile(kind, share, symmetric)
                       for kind in kinds for share in (99.0, 99.9) for symmetric in (False, True)],
        "minmax": [min_max(kind, False) for kind in kinds],
        "moving_average": [min_max(kind, True) for kind in kinds],
        "whole_window_divergence": peer_divergence_of_whole_window(counts),
        "divergences": [{"sparse": bool(is_sparse), "zeros": zeros, "levels": 256, "begin": begin, "end": end,
                         "divergence": reference_divergence(sparse if is_sparse else counts, zeros, 256, begin, end)}
                        for is_sparse in (False, True) for zeros in (0, 12345) for begin, end in windows],
    }
    pathlib.Path(sys.argv[1]).write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
