#!/usr/bin/env python3
"""Entropy calibration with 2048 bins: `planish calibrate` and the onnxruntime Python package, one after the other
on the same model and photographs, each in a process of its own. Prints wall time, time of all cores,
peak memory and their ratios.

    python calibrate_peer.py PLANISH MODEL IMAGE_FOLDER [SAMPLES] [PEER_SAMPLES]

Needs onnxruntime 1.32.0, onnx and Pillow. PEER_SAMPLES: fewer for the package, which keeps every value of every
sample in memory; then its time is also shown for SAMPLES, inference and histograms taken as proportional.
quantize_static() cannot set the number of bins, so the package's calibrator class is used.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
BINS = 2048


def photographs(folder, count):
    files = sorted(p for p in pathlib.Path(folder).iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return files[:count]


def run_peer(model, folder, count):
    """The package alone; prints {"collect": seconds, "compute": seconds, "tensors": n, "samples": n}."""
    import numpy as np
    from onnxruntime.quantization import calibrate
    from PIL import Image

    class Reader(calibrate.CalibrationDataReader):
        def __init__(self, name):
            self.name, self.left = name, photographs(folder, count)

        def get_next(self):
            if not self.left:
                return None
            image = Image.open(self.left.pop(0)).convert("RGB")
            scale = 256 / min(image.size)
            image = image.resize([round(side * scale) for side in image.size], Image.BILINEAR)
            left, top = (image.width - 224) // 2, (image.height - 224) // 2
            pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32) / 255
            pixels = (pixels - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
            return {self.name: pixels.transpose(2, 0, 1)[None]}

    with tempfile.TemporaryDirectory() as scratch:
        calibrator = calibrate.create_calibrator(
            pathlib.Path(model), ["Conv", "Gemm", "MatMul", "Add", "Relu", "Clip", "GlobalAveragePool", "MaxPool"],
            augmented_model_path=str(pathlib.Path(scratch) / "augmented.onnx"),
            calibrate_method=calibrate.CalibrationMethod.Entropy,
            extra_options={"num_bins": BINS, "num_quantized_bins": 128})
        name = calibrator.infer_session.get_inputs()[0].name
        start = time.perf_counter()
        calibrator.collect_data(Reader(name))
        collected = time.perf_counter()
        ranges = calibrator.compute_data()
        end = time.perf_counter()
    print(json.dumps({"collect": collected - start, "compute": end - collected, "tensors": len(ranges.data),
                      "samples": len(photographs(folder, count))}), file=sys.stderr)


def measured(command):
    """Seconds, seconds of all cores, peak megabytes and standard error of a command that must succeed."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command[0]} failed:\n{errors}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, errors


def main():
    if sys.argv[1] == "--peer":
        return run_peer(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    planish, model, folder = sys.argv[1:4]
    samples = int(sys.argv[4]) if len(sys.argv) > 4 else 200
    peer_samples = int(sys.argv[5]) if len(sys.argv) > 5 else samples
    with tempfile.TemporaryDirectory() as scratch:
        output = str(pathlib.Path(scratch) / "calibration.json")
        ours = measured([planish, "calibrate", model, "--data", folder, "--preprocess", "imagenet", "--method", "entropy",
                         "--bins", str(BINS), "--max-samples", str(samples), "-o", output])
        tensors = len(json.loads(pathlib.Path(output).read_text())["ranges"])
    theirs = measured([sys.executable, __file__, "--peer", model, folder, str(peer_samples)])
    facts = json.loads(theirs[3].strip().splitlines()[-1])
    print(f"{pathlib.Path(model).name}, entropy, {BINS} bins")
    print(f"planish      {ours[0]:8.1f} s  {ours[1]:8.1f} CPU s  {ours[2]:8.0f} MB  {samples} samples, {tensors} tensors")
    print(f"onnxruntime  {theirs[0]:8.1f} s  {theirs[1]:8.1f} CPU s  {theirs[2]:8.0f} MB  {facts['samples']} samples, {facts['tensors']} tensors; "
          f"collecting {facts['collect']:.1f} s, searching {facts['compute']:.1f} s")
    if peer_samples != samples:
        scale = samples / peer_samples
        print(f"onnxruntime  {theirs[0] + facts['collect'] * (scale - 1):8.1f} s  for {samples} samples, by proportion")
    print(f"ratio        {theirs[0] / ours[0]:8.1f} x  {theirs[1] / ours[1]:8.1f} x      {theirs[2] / ours[2]:8.1f} x")


if __name__ == "__main__":
    main()
