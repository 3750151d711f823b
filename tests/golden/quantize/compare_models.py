#!/usr/bin/env python3
"""Quantizes whole models with planish and with the onnxruntime 1.32 Python quantizer, and compares what they write.

Run with a Python that has onnx and onnxruntime 1.32.0; never part of the tests themselves:

    python compare_models.py PLANISH MODEL.onnx...

Each model is quantized in QDQ, in QOperator and dynamically, per channel and per tensor, by the command PLANISH
(--profile onnxruntime-1.32) and by quantize_static() and quantize_dynamic(), from the same calibration cache. Its ranges follow
from the tensors' names, so a comparison depends on no calibration. Compared are: nodes, in order, with names, inputs, outputs,
domains and attributes; initializers, to the byte; opsets and graph outputs. Prints a table in Markdown; what differs first goes
to stderr.
"""
import hashlib
import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh
from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.quant_utils import load_model_with_shape_infer

logging.disable(logging.WARNING)


def write_cache(model, path):
    """A calibration cache with a range for every float value of `model`."""
    infos = {v.name: v for v in (*model.graph.value_info, *model.graph.output, *model.graph.input)}
    constants = {i.name for i in model.graph.initializer}
    makers = {o: n.op_type for n in model.graph.node for o in n.output}
    data = {}
    for name, info in infos.items():
        dtype = info.type.tensor_type.elem_type
        if dtype not in (T.FLOAT, T.FLOAT16) or name in constants:
            continue
        bits = hashlib.sha256(name.encode()).digest()
        low, high = -0.1 - bits[0] / 64, 0.25 + bits[1] / 64
        if makers.get(name) in ("Relu", "Sigmoid", "Softmax", "Exp", "Sqrt"):
            low = 0.0
        array = lambda value: {"data": [value], "dtype": "float32" if dtype == T.FLOAT else "float16", "CLS": "numpy.array"}
        data[name] = {"lowest": array(low), "highest": array(high), "CLS": "TensorData"}
    method = {"CLS": "CalibrationMethod", "value": "CalibrationMethod.MinMax"}
    path.write_text(json.dumps({"CLS": "TensorsData", "data": data, "calibration_method": method, "smooth_quant": False}))


def peer(source, cache, out, mode, per_channel):
    common = dict(per_channel=per_channel, weight_type=QuantType.QInt8)
    if mode == "dynamic":
        quantize_dynamic(source, out, **common)
    else:
        quantize_static(source, out, None, calibration_cache_path=cache, activation_type=QuantType.QUInt8,
                        quant_format=QuantFormat.QDQ if mode == "qdq" else QuantFormat.QOperator, **common)


def planish(command, source, cache, out, mode, per_channel):
    words = [command, "quantize", source, "--profile", "onnxruntime-1.32", "-o", out,
             "--per-channel" if per_channel else "--per-tensor"]
    words += ["--mode", "dynamic"] if mode == "dynamic" else ["--format", mode, "--calibration", cache]
    done = subprocess.run([str(w) for w in words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])


def attribute(a):
    if a.type == onnx.AttributeProto.GRAPH:
        return graph_text(a.g)
    if a.type == onnx.AttributeProto.TENSOR:
        return (a.t.data_type, tuple(a.t.dims), nh.to_array(a.t).tobytes())
    value = h.get_attribute_value(a)
    return tuple(value) if a.type in (onnx.AttributeProto.INTS, onnx.AttributeProto.FLOATS) else value


def nodes_of(graph):
    return [(n.op_type, n.name, tuple(n.input), tuple(n.output), n.domain,
             tuple(sorted((a.name, repr(attribute(a))) for a in n.attribute))) for n in graph.node]


def initializers_of(graph):
    return {i.name: (i.data_type, tuple(i.dims), nh.to_array(i).tobytes()) for i in graph.initializer}


def graph_text(graph):
    return repr((nodes_of(graph), sorted(initializers_of(graph).items()), [o.name for o in graph.output]))


def differences(ours, theirs):
    """What differs, as sentences."""
    a, b = nodes_of(ours.graph), nodes_of(theirs.graph)
    if a != b:
        only_a, only_b = set(a) - set(b), set(b) - set(a)
        if only_a or only_b:
            yield f"{len(only_a)} nodes only in planish's, {len(only_b)} only in the peer's: " + \
                str(sorted(only_a)[:1])[:300] + " / " + str(sorted(only_b)[:1])[:300]
        else:
            yield "the same nodes in another order"
    x, y = initializers_of(ours.graph), initializers_of(theirs.graph)
    bad = sorted(n for n in x.keys() | y.keys() if x.get(n) != y.get(n))
    if bad:
        yield f"{len(bad)} of {len(y)} initializers: {bad[:4]}"
    opsets = lambda m: {o.domain: o.version for o in m.opset_import}
    if opsets(ours) != opsets(theirs):
        yield f"opsets {opsets(ours)} / {opsets(theirs)}"
    if [o.name for o in ours.graph.output] != [o.name for o in theirs.graph.output]:
        yield "graph outputs"


def compare(command, source, mode, per_channel, scratch, cache):
    try:
        peer(source, cache, scratch / "theirs.onnx", mode, per_channel)
    except Exception as error:  # noqa: BLE001: what the peer refuses is a result
        return "peer fails", f"{type(error).__name__}: {str(error)[:200]}"
    try:
        planish(command, source, cache, scratch / "ours.onnx", mode, per_channel)
    except RuntimeError as error:
        return "planish fails", str(error)[:400]
    theirs = onnx.load(scratch / "theirs.onnx")
    found = list(differences(onnx.load(scratch / "ours.onnx"), theirs))
    return ("differs", "; ".join(found)) if found else (f"equal ({len(theirs.graph.node)})", "")


def main():
    command, *sources = sys.argv[1:]
    columns = [(mode, pc) for mode in ("qdq", "qoperator", "dynamic") for pc in (True, False)]
    print("| model | opset | nodes | " + " | ".join(f"{m}, per {'channel' if pc else 'tensor'}" for m, pc in columns) + " |")
    print("| --- " * (3 + len(columns)) + "|")
    for source in map(pathlib.Path, sources):
        with tempfile.TemporaryDirectory() as folder:
            scratch = pathlib.Path(folder)
            copy = scratch / "source.onnx"
            onnx.save(onnx.load(source), copy)
            model = load_model_with_shape_infer(copy)
            write_cache(model, scratch / "cache.json")
            opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
            cells = []
            for mode, per_channel in columns:
                cell, why = compare(command, copy, mode, per_channel, scratch, scratch / "cache.json")
                cells.append(cell)
                if why:
                    print(f"{source.name}, {mode}, {'per channel' if per_channel else 'per tensor'}: {cell}: {why}", file=sys.stderr)
            print(f"| {source.stem} | {opset} | {len(model.graph.node)} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
