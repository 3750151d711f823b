#!/usr/bin/env python3
"""Records what the onnxruntime 1.32 Python quantizer makes of small models.

Run with a Python that has onnx and onnxruntime 1.32.0; never part of the tests themselves:

    python make_golden.py OUT_FOLDER          # OUT_FOLDER: tests/data/quantize/golden

OUT_FOLDER/models/<model>.onnx      float models, with inferred types in value_info
OUT_FOLDER/cases.json               per case: model, ranges, options, expected file or the peer's error
OUT_FOLDER/expected.zlib            the quantized models one behind the other, each once, without doc strings, value_info and
                                    metadata, deflated; cases.json says where each begins and how long it is

Ranges are handed to the quantizer classes as a calibrator would hand them, so a case depends on no
calibration. Weights are normal numbers from a fixed seed.
"""
import hashlib
import json
import logging
import os
import pathlib
import sys
import tempfile
import zlib

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.quant_utils import QuantizationMode, load_model_with_shape_infer, update_opset_version
from onnxruntime.quantization.registry import IntegerOpsRegistry, QDQRegistry, QLinearOpsRegistry

logging.disable(logging.WARNING)
random = np.random.default_rng(20250131)
MODELS = {}


def weight(*dims, scale=0.5):
    return (random.standard_normal(dims) * scale).astype(np.float32)


class Net:
    """Collects a graph in a few lines."""

    def __init__(self, opset=17, contrib=False, unnamed=False):
        self.nodes, self.inits, self.inputs, self.outputs = [], [], [], []
        self.opset, self.contrib, self.unnamed = opset, contrib, unnamed

    def input(self, name, *dims, dtype=T.FLOAT):
        self.inputs.append(h.make_tensor_value_info(name, dtype, list(dims)))
        return name

    def const(self, name, value):
        self.inits.append(nh.from_array(np.asarray(value), name))
        return name

    def op(self, op_type, inputs, out, domain=None, **attributes):
        outs = [out] if isinstance(out, str) else out
        name = "" if self.unnamed else f"{op_type}_{len(self.nodes)}"
        self.nodes.append(h.make_node(op_type, inputs, outs, name=name, domain=domain, **attributes))
        return out

    def output(self, name, dtype=T.FLOAT, dims=None):
        self.outputs.append(h.make_tensor_value_info(name, dtype, dims))

    def model(self):
        opsets = [h.make_opsetid("", self.opset)]
        if self.contrib:
            opsets.append(h.make_opsetid("com.microsoft", 1))
        graph = h.make_graph(self.nodes, "golden", self.inputs, self.outputs, self.inits)
        return h.make_model(graph, opset_imports=opsets, ir_version=8)


def net(name, **kwargs):
    def register(build):
        n = Net(**kwargs)
        build(n)
        MODELS[name] = n.model()
        return build

    return register


def conv(n, x, out, cin, cout, k=3, bias=True, **attributes):
    i = len(n.nodes)
    names = [x, n.const(f"w{i}", weight(cout, cin // attributes.get("group", 1), k, k))]
    if bias:
        names.append(n.const(f"b{i}", weight(cout, scale=0.1)))
    return n.op("Conv", names, out, kernel_shape=[k, k], pads=[k // 2] * 4, **attributes)


# --- one model per operator, each fed by a convolution and, where it can, read by one ---------------


@net("conv")
def _(n):
    conv(n, n.input("x", 1, 3, 8, 8), "a", 3, 4)
    conv(n, "a", "y", 4, 5, bias=False)
    n.output("y", dims=[1, 5, 8, 8])


@net("conv_chain")
def _(n):
    n.input("x", 1, 3, 8, 8)
    conv(n, "x", "c1", 3, 4)
    n.op("Relu", ["c1"], "r1")
    conv(n, "r1", "c2", 4, 4, group=4)
    n.op("Clip", ["c2", n.const("lo", np.float32(0)), n.const("hi", np.float32(6))], "r2")
    n.op("MaxPool", ["r2"], "p", kernel_shape=[2, 2], strides=[2, 2])
    conv(n, "p", "c3", 4, 6, k=1)
    conv(n, "p", "c4", 4, 6, k=1)
    n.op("Add", ["c3", "c4"], "s")
    n.op("Relu", ["s"], "r3")
    n.op("GlobalAveragePool", ["r3"], "g")
    n.op("Flatten", ["g"], "f")
    n.op("Gemm", ["f", n.const("fw", weight(3, 6)), n.const("fb", weight(3))], "y", transB=1)
    n.output("y", dims=[1, 3])


@net("conv_unnamed", unnamed=True)
def _(n):
    conv(n, n.input("x", 1, 3, 6, 6), "a", 3, 4)
    n.op("Relu", ["a"], "b")
    conv(n, "b", "y", 4, 2)
    n.output("y", dims=[1, 2, 6, 6])


def follower(name, op_type, extra=(), opset=17, second=False, tail=True, **attributes):
    """Conv → op → Conv."""
    n = Net(opset=opset)
    conv(n, n.input("x", 1, 3, 8, 8), "a", 3, 4)
    inputs = ["a"]
    if second:
        conv(n, "x", "b", 3, 4)
        inputs.append("b")
    for k, value in enumerate(extra):
        inputs.append("" if value is None else n.const(f"e{k}", value))
    n.op(op_type, inputs, "m", **attributes)
    if tail:
        conv(n, "m", "y", 4, 3, k=1)
    else:
        n.op("Sqrt", ["m"], "y")
    n.output("y")
    MODELS[name] = n.model()


follower("add", "Add", second=True)
follower("mul", "Mul", second=True)
follower("add_constant", "Add", extra=[weight(1, 4, 1, 1)])
follower("mul_constant", "Mul", extra=[weight(4, 1, 1)])
follower("relu", "Relu")
follower("clip", "Clip", extra=[np.float32(-1), np.float32(1)])
follower("clip_opset10", "Clip", opset=10, min=0.0, max=6.0)
follower("leaky_relu", "LeakyRelu", alpha=0.2)
follower("sigmoid", "Sigmoid")
follower("softmax", "Softmax", axis=1)
follower("max_pool", "MaxPool", kernel_shape=[2, 2])
follower("max_pool_opset11", "MaxPool", opset=11, kernel_shape=[2, 2])
follower("average_pool", "AveragePool", kernel_shape=[2, 2], count_include_pad=1)
follower("global_average_pool", "GlobalAveragePool")
follower("concat", "Concat", second=True, tail=False, axis=1)
follower("transpose", "Transpose", perm=[0, 1, 3, 2])
follower("reshape", "Reshape", extra=[np.array([1, 4, 4, 16], np.int64)])
follower("flatten", "Flatten", tail=False)
follower("squeeze", "Squeeze", extra=[np.array([0], np.int64)], tail=False)
follower("unsqueeze", "Unsqueeze", extra=[np.array([0], np.int64)], tail=False)
follower("slice", "Slice", extra=[np.array([0], np.int64), np.array([4], np.int64), np.array([3], np.int64)])
follower("pad_zero", "Pad", extra=[np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)])
follower("pad_value", "Pad", extra=[np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), np.float32(0.7)])
follower("pad_reflect", "Pad", extra=[np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)], mode="reflect")
follower("resize_nearest", "Resize", extra=[None, np.array([1, 1, 2, 2], np.float32)], mode="nearest")
follower("resize_linear", "Resize", extra=[None, np.array([1, 1, 2, 2], np.float32)], mode="linear")
follower("gather", "Gather", extra=[np.array([0, 2, 1, 3], np.int64)], axis=1)
follower("gather_elements", "GatherElements", extra=[np.zeros((1, 4, 8, 8), np.int64)], axis=1)
follower("cumsum", "CumSum", extra=[np.int64(1)])
follower("tanh", "Tanh")
follower("hard_swish", "HardSwish")
follower("instance_norm", "InstanceNormalization", extra=[weight(4), weight(4)])
follower("batch_norm", "BatchNormalization", extra=[weight(4), weight(4), weight(4), np.abs(weight(4))])
follower("layer_norm", "LayerNormalization", extra=[weight(8), weight(8)], axis=-1)


@net("split")
def _(n):
    conv(n, n.input("x", 1, 3, 8, 8), "a", 3, 4)
    n.op("Split", ["a", n.const("parts", np.array([1, 3], np.int64))], ["s0", "s1"], axis=1)
    conv(n, "s1", "y", 3, 2, k=1)
    n.op("Sqrt", ["s0"], "z")
    n.output("y")
    n.output("z")


@net("top_k")
def _(n):
    conv(n, n.input("x", 1, 3, 8, 8), "a", 3, 4)
    n.op("TopK", ["a", n.const("k", np.array([2], np.int64))], ["v", "i"], axis=1)
    conv(n, "v", "y", 2, 2, k=1)
    n.output("y")
    n.output("i", dtype=T.INT64)


@net("where")
def _(n):
    n.input("c", 1, 4, 8, 8, dtype=T.BOOL)
    n.input("x", 1, 3, 8, 8)
    conv(n, "x", "a", 3, 4)
    conv(n, "x", "b", 3, 4)
    n.op("Where", ["c", "a", "b"], "m")
    conv(n, "m", "y", 4, 2, k=1)
    n.output("y")


@net("arg_max")
def _(n):
    conv(n, n.input("x", 1, 3, 8, 8), "a", 3, 4)
    n.op("ArgMax", ["a"], "y", axis=1)
    conv(n, "a", "z", 4, 2, k=1)
    n.output("y", dtype=T.INT64)
    n.output("z")


@net("conv_transpose")
def _(n):
    conv(n, n.input("x", 1, 3, 4, 4), "a", 3, 4)
    n.op("ConvTranspose", ["a", n.const("w", weight(4, 2, 2, 2)), n.const("b", weight(2))], "y", strides=[2, 2])
    n.output("y")


@net("matmul")
def _(n):
    n.op("MatMul", [n.input("x", 2, 6), n.const("w", weight(6, 5))], "a")
    n.op("Add", ["a", n.const("b", weight(5))], "s")
    n.op("Relu", ["s"], "r")
    n.op("MatMul", ["r", n.const("v", weight(5, 4))], "y")
    n.output("y", dims=[2, 4])


@net("matmul_batched")
def _(n):
    n.op("MatMul", [n.input("x", 2, 3, 6), n.const("w", weight(6, 5))], "a")
    n.op("Transpose", ["a"], "t", perm=[0, 2, 1])
    n.op("MatMul", ["a", "t"], "s")
    n.op("Softmax", ["s"], "p", axis=-1)
    n.op("MatMul", ["p", "a"], "y")
    n.output("y")


@net("matmul_rank3_weight")
def _(n):
    n.op("MatMul", [n.input("x", 2, 3, 6), n.const("w", weight(2, 6, 5))], "y")
    n.output("y")


for trans in (0, 1):

    @net(f"gemm_trans{trans}")
    def _(n, trans=trans):
        n.input("x", 2, 6)
        w = weight(5, 6) if trans else weight(6, 5)
        n.op("Gemm", ["x", n.const("w", w), n.const("b", weight(5))], "a", transB=trans)
        n.op("Relu", ["a"], "r")
        n.op("Gemm", ["r", n.const("v", weight(5, 4)), n.const("c", weight(4))], "s", beta=0.5)
        n.op("Gemm", ["s", n.const("u", weight(4, 3))], "y")
        n.output("y", dims=[2, 3])


@net("gemm_shared_weight")
def _(n):
    n.input("x", 2, 6)
    n.const("w", weight(6, 6))
    n.op("Gemm", ["x", "w", n.const("b", weight(6))], "a", transB=1)
    n.op("Gemm", ["a", "w", "b"], "y", transB=1)
    n.output("y", dims=[2, 6])


@net("gather_embedding")
def _(n):
    n.input("ids", 1, 4, dtype=T.INT64)
    n.op("Gather", [n.const("table", weight(10, 6)), "ids"], "e")
    n.op("MatMul", ["e", n.const("w", weight(6, 5))], "y")
    n.output("y")


@net("embed_layer_norm", contrib=True)
def _(n):
    n.input("ids", 1, 4, dtype=T.INT32)
    n.input("segments", 1, 4, dtype=T.INT32)
    names = ["ids", "segments", n.const("words", weight(10, 8)), n.const("places", weight(8, 8)),
             n.const("kinds", weight(2, 8)), n.const("gamma", weight(8)), n.const("beta", weight(8))]
    n.op("EmbedLayerNormalization", names, ["e", "m"], domain="com.microsoft", epsilon=1e-12)
    n.op("MatMul", ["e", n.const("w", weight(8, 5))], "y")
    n.output("y")


@net("attention", contrib=True)
def _(n):
    n.input("x", 1, 4, 8)
    n.input("mask", 1, 4, dtype=T.INT32)
    n.op("Attention", ["x", n.const("w", weight(8, 24)), n.const("b", weight(24)), "mask"], "a",
         domain="com.microsoft", num_heads=2)
    n.op("MatMul", ["a", n.const("v", weight(8, 5))], "y")
    n.output("y")


@net("lstm")
def _(n):
    n.input("x", 5, 1, 6)
    names = ["x", n.const("w", weight(2, 16, 6)), n.const("r", weight(2, 16, 4)), n.const("b", weight(2, 32))]
    n.op("LSTM", names, ["s", "h", "c"], hidden_size=4, direction="bidirectional")
    n.op("MatMul", ["h", n.const("v", weight(4, 3))], "y")
    n.output("y")


# --- shapes of graphs that go wrong easily --------------------------------------------------------


@net("shared_bias")
def _(n):
    n.input("x", 1, 3, 6, 6)
    n.const("b", weight(4))
    n.op("Conv", ["x", n.const("w", weight(4, 3, 1, 1)), "b"], "a")
    n.op("Conv", ["a", n.const("v", weight(4, 4, 1, 1)), "b"], "y")
    n.output("y")


@net("shared_weight")
def _(n):
    n.input("x", 1, 4, 6, 6)
    n.const("w", weight(4, 4, 1, 1))
    n.op("Conv", ["x", "w", n.const("b", weight(4))], "a")
    n.op("Conv", ["a", "w", n.const("c", weight(4))], "y")
    n.output("y")


@net("relu_two_readers")
def _(n):
    conv(n, n.input("x", 1, 3, 6, 6), "a", 3, 4)
    n.op("Relu", ["a"], "r")
    n.op("Add", ["a", "r"], "s")
    conv(n, "s", "y", 4, 2)
    n.output("y")


@net("output_in_the_middle")
def _(n):
    conv(n, n.input("x", 1, 3, 6, 6), "a", 3, 4)
    n.op("Relu", ["a"], "r")
    conv(n, "r", "y", 4, 2)
    n.output("r", dims=[1, 4, 6, 6])
    n.output("y")


@net("relu_relu")
def _(n):
    conv(n, n.input("x", 1, 3, 6, 6), "a", 3, 4)
    n.op("Relu", ["a"], "r")
    n.op("Clip", ["r", "", n.const("hi", np.float32(2))], "q")
    conv(n, "q", "y", 4, 2)
    n.output("y")


@net("zero_weight")
def _(n):
    n.input("x", 1, 3, 6, 6)
    w = weight(4, 3, 1, 1)
    w[2] = 0
    n.op("Conv", ["x", n.const("w", w), n.const("b", weight(4))], "y")
    n.output("y")


@net("large_bias")
def _(n):
    n.input("x", 1, 3, 6, 6)
    w = weight(4, 3, 1, 1)
    w[1] *= 1e-7
    n.op("Conv", ["x", n.const("w", w), n.const("b", np.array([1, 3e4, -2, 5], np.float32))], "y")
    n.output("y")


@net("large_bias_tensor")
def _(n):
    n.input("x", 2, 6)
    n.op("Gemm", ["x", n.const("w", weight(6, 4, scale=1e-6)), n.const("b", np.array([1, 3e4, -2, 5], np.float32))], "y")
    n.output("y", dims=[2, 4])


@net("float_islands")
def _(n):
    conv(n, n.input("x", 1, 3, 8, 8), "a", 3, 4)
    n.op("Tanh", ["a"], "t")
    conv(n, "t", "b", 4, 4)
    n.op("Exp", ["b"], "e")
    n.op("Mul", ["e", "a"], "m")
    n.op("ReduceMean", ["m"], "g", axes=[2, 3], keepdims=0)
    n.op("Gemm", ["g", n.const("w", weight(4, 3)), n.const("c", weight(3))], "y")
    n.output("y")


@net("opset21", opset=21)
def _(n):
    conv(n, n.input("x", 1, 3, 8, 8), "a", 3, 4)
    n.op("Relu", ["a"], "r")
    n.op("GlobalAveragePool", ["r"], "g")
    n.op("Flatten", ["g"], "f")
    n.op("Gemm", ["f", n.const("w", weight(3, 4)), n.const("b", weight(3))], "y", transB=1)
    n.output("y")


@net("conv_1d")
def _(n):
    n.input("x", 1, 3, 16)
    n.op("Conv", ["x", n.const("w", weight(4, 3, 3)), n.const("b", weight(4))], "y", pads=[1, 1])
    n.output("y")


@net("mixed_precision", opset=21)
def _(n):
    conv(n, n.input("x", 1, 3, 8, 8), "a", 3, 4)
    n.op("Relu", ["a"], "r")
    conv(n, "r", "b", 4, 4)
    n.op("Transpose", ["r"], "t", perm=[0, 1, 3, 2])
    conv(n, "t", "c", 4, 4)
    n.op("Add", ["b", "c"], "s")
    n.op("Add", ["s", n.const("k", weight(1, 4, 1, 1))], "m")
    conv(n, "m", "y", 4, 2)
    n.output("s", dims=[1, 4, 8, 8])
    n.output("y", dims=[1, 2, 8, 8])


@net("conv_opset9", opset=9)
def _(n):
    conv(n, n.input("x", 1, 3, 8, 8), "a", 3, 4)
    n.op("Relu", ["a"], "r")
    n.op("MaxPool", ["r"], "p", kernel_shape=[2, 2], strides=[2, 2])
    conv(n, "p", "b", 4, 4)
    n.op("Add", ["b", "p"], "s")
    n.op("GlobalAveragePool", ["s"], "g")
    n.op("Flatten", ["g"], "f")
    n.op("Gemm", ["f", n.const("w", weight(4, 3)), n.const("c", weight(3))], "y")
    n.output("y")


@net("dense_opset10", opset=10)
def _(n):
    n.op("MatMul", [n.input("x", 2, 6), n.const("w", weight(6, 5))], "a")
    n.op("Relu", ["a"], "r")
    n.op("Gemm", ["r", n.const("v", weight(4, 5)), n.const("c", weight(4))], "b", transB=1)
    n.op("MatMul", ["b", n.const("u", weight(4, 4))], "d")
    n.op("MatMul", ["b", n.const("t", weight(4, 4))], "e")
    n.op("Add", ["d", "e"], "y")
    n.output("y")


@net("lstm_opset13", opset=13)
def _(n):
    n.input("x", 5, 1, 6)
    n.op("LSTM", ["x", n.const("w", weight(1, 16, 6)), n.const("r", weight(1, 16, 4))], ["s", "h"], hidden_size=4)
    n.op("Split", ["h"], ["p", "q"], axis=2)
    n.op("MatMul", ["p", n.const("v", weight(2, 3))], "y")
    n.op("ReduceMean", ["q"], "z", keepdims=0)
    n.output("y")
    n.output("z")


@net("computed_weights", contrib=True)
def _(n):
    n.input("x", 1, 3, 8, 8)
    n.input("k", 4, 3, 3, 3)
    n.op("Conv", ["x", "k"], "y")
    n.output("y")
    n.input("s", 1, 4, 8)
    n.input("w", 8, 24)
    n.op("Attention", ["s", "w", n.const("d", weight(24))], "z", domain="com.microsoft", num_heads=2)
    n.output("z", dims=[1, 4, 8])


@net("tiny_scales")
def _(n):
    n.input("x", 2, 6)
    tiny = dict(scale=2e-5)
    n.op("Gemm", ["x", n.const("w", weight(6, 5, **tiny)), n.const("b", weight(5, **tiny))], "a")
    n.op("Gemm", ["a", n.const("v", weight(5, 4, **tiny)), n.const("c", np.array([0, 60000, 1e-4, -3], np.float32))], "d", beta=0.5)
    n.op("Gemm", ["d", n.const("u", weight(4, 3)), n.const("e", weight(3))], "y", beta=0.0)
    n.output("y", dims=[2, 3])


def half(name):
    """The model with float16 in place of float32."""
    model = onnx.ModelProto()
    model.CopyFrom(MODELS[name])
    graph = model.graph
    for k, init in enumerate(graph.initializer):
        if init.data_type == T.FLOAT:
            graph.initializer[k].CopyFrom(nh.from_array(nh.to_array(init).astype(np.float16), init.name))
    for info in (*graph.input, *graph.output):
        if info.type.tensor_type.elem_type == T.FLOAT:
            info.type.tensor_type.elem_type = T.FLOAT16
    MODELS[f"{name}_half"] = model


# No Softmax: the peer gives its output a float32 scale.
HALVES = ["conv_chain", "gemm_trans1", "matmul", "large_bias", "large_bias_tensor", "zero_weight", "instance_norm",
          "add_constant", "pad_value", "shared_bias", "tiny_scales", "gather_embedding"]
for half_of in HALVES:
    half(half_of)


def real_model(path):
    """A residual network with a quarter of its channels, so that the file stays small."""
    model = onnx.load(path)
    keep = 4
    graph = model.graph
    cut = {}
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm"):
            cut[node.input[1]] = node
    changed = {}
    for init in graph.initializer:
        value = nh.to_array(init)
        if init.name in cut and value.ndim == 4:
            out = max(1, value.shape[0] // keep)
            into = value.shape[1] if value.shape[1] == 3 else max(1, value.shape[1] // keep)
            changed[init.name] = value[:out, :into]
            bias = cut[init.name].input[2] if len(cut[init.name].input) > 2 else None
            if bias:
                changed[bias] = ("bias", out)
        elif init.name in cut and value.ndim == 2:
            node = cut[init.name]
            trans = next((a.i for a in node.attribute if a.name == "transB"), 0)
            changed[init.name] = value[:, : value.shape[1] // keep] if trans else value[: value.shape[0] // keep]
    for i, init in enumerate(graph.initializer):
        if init.name not in changed:
            continue
        value = changed[init.name]
        if isinstance(value, tuple):
            value = nh.to_array(init)[: value[1]]
        graph.initializer[i].CopyFrom(nh.from_array(np.ascontiguousarray(value), init.name))
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return model


# --- bodies ---------------------------------------------------------------------------------------


def body(build, inputs=(), outputs=()):
    """A graph for an attribute; inputs and outputs: (name, type, dims)."""
    n = Net()
    build(n)
    infos = [[h.make_tensor_value_info(*info) for info in part] for part in (inputs, outputs)]
    return h.make_graph(n.nodes, "body", *infos, n.inits)


@net("bodies_if")
def _(n):
    """Weights and values of the graph around, read first in a branch and again behind it; own ones."""
    n.input("c", dtype=T.BOOL)
    n.input("x", 2, 8)
    n.op("MatMul", ["x", n.const("v", weight(8, 8))], "p")
    n.op("Tanh", ["p"], "a")
    n.const("w", weight(8, 4))

    def first(b):
        b.op("MatMul", ["a", "w"], "t0")
        b.op("Gemm", ["t0", b.const("g", weight(3, 4)), b.const("gb", weight(3))], "t", transB=1)

    def second(b):
        b.const("unread", weight(3))
        b.op("Transpose", ["a"], "e0", perm=[0, 1])
        b.op("MatMul", ["e0", b.const("own", weight(8, 3))], "e1")
        b.op("Gemm", ["a", b.const("tg", weight(3, 8)), "e1"], "e2", transB=1)
        b.op("Relu", ["e2"], "e")

    n.op("If", ["c"], "y", then_branch=body(first, outputs=[("t", T.FLOAT, [2, 3])]),
         else_branch=body(second, outputs=[("e", T.FLOAT, [2, 3])]))
    n.op("MatMul", ["a", "w"], "z")
    n.output("y", dims=[2, 3])
    n.output("z", dims=[2, 4])


@net("bodies_loop")
def _(n):
    """A carried value; a weight outside that Gemms inside and outside read by rows."""
    n.input("x", 2, 4)
    n.const("w", weight(4, 4))
    n.const("b", weight(4))

    def step(b):
        b.op("Gemm", ["h", "w", "b"], "g", transB=1)
        b.op("Gemm", ["g", "w"], "k", transB=1)
        b.op("Add", ["k", "x"], "h_next")
        b.op("Identity", ["go"], "go_on")
        b.op("Gemm", ["g", b.const("scaled", weight(4, 2))], "s", alpha=0.5)

    n.op("Loop", [n.const("trips", np.int64(3)), "", "x"], ["last", "y"], body=body(
        step, [("i", T.INT64, []), ("go", T.BOOL, []), ("h", T.FLOAT, [2, 4])],
        [("go_on", T.BOOL, []), ("h_next", T.FLOAT, [2, 4]), ("s", T.FLOAT, [2, 2])]))
    n.op("Gemm", ["last", "w"], "z", transB=1)
    n.output("y", dims=[3, 2, 2])
    n.output("z", dims=[2, 4])


@net("bodies_nested", unnamed=True)
def _(n):
    """A branch in a branch; values of both graphs around, convolutions, a table."""
    n.input("c", dtype=T.BOOL)
    n.input("x", 1, 3, 6, 6)
    n.input("i", 6, dtype=T.INT64)
    n.const("outermost", weight(6, 6))

    def inner(b):
        b.op("MatMul", ["k", "outermost"], "n0")
        b.op("MatMul", ["n0", "around"], "n1")
        b.op("MatMul", ["x", "outermost"], "n2")
        b.op("Add", ["n1", "n2"], "n")

    def other(b):
        b.op("Identity", ["k"], "o")

    def outer(b):
        b.const("around", weight(6, 6))
        conv(b, "x", "k", 3, 3)
        b.op("Gather", [b.const("table", weight(5, 6)), "i"], "rows")
        b.op("MatMul", ["rows", "around"], "r")
        info = [1, 3, 6, 6]
        b.op("If", ["c"], "m", then_branch=body(inner, outputs=[("n", T.FLOAT, info)]),
             else_branch=body(other, outputs=[("o", T.FLOAT, info)]))
        b.op("Add", ["m", "r"], "f")

    def plain(b):
        b.op("Identity", ["x"], "q")

    n.op("If", ["c"], "y", then_branch=body(outer, outputs=[("f", T.FLOAT, [1, 3, 6, 6])]),
         else_branch=body(plain, outputs=[("q", T.FLOAT, [1, 3, 6, 6])]))
    n.op("MatMul", ["y", "outermost"], "z")
    n.output("z", dims=[1, 3, 6, 6])


# --- ranges and options ---------------------------------------------------------------------------


def ranges_of(model):
    """Ranges that look calibrated, from the tensors' names: the same on every machine."""
    infos = {v.name: v for v in model.graph.value_info}
    infos.update({v.name: v for v in list(model.graph.output) + list(model.graph.input)})
    constants = {i.name for i in model.graph.initializer}
    makers = {o: n.op_type for n in model.graph.node for o in n.output}
    ranges = {}
    for name, info in infos.items():
        if info.type.tensor_type.elem_type not in (T.FLOAT, T.FLOAT16) or name in constants:
            continue
        real = np.float32 if info.type.tensor_type.elem_type == T.FLOAT else np.float16
        bits = hashlib.sha256(name.encode()).digest()
        low, high = -0.1 - bits[0] / 64, 0.2 + bits[1] / 48
        if makers.get(name) in ("Relu", "Sigmoid", "Softmax", "Exp", "Sqrt"):
            low = 0.0
        ranges[name] = (real(low), real(high))
    return ranges


TYPES = {"u8": QuantType.QUInt8, "s8": QuantType.QInt8, "u16": QuantType.QUInt16, "s16": QuantType.QInt16}
STATIC_TYPES = sorted(set(QLinearOpsRegistry) | set(QDQRegistry))

# planish option → extra option of the peer
EXTRA = {
    "symmetric_activations": "ActivationSymmetric",
    "symmetric_weights": "WeightSymmetric",
    "restricted_zero_points": "ActivationRestrictedAsymmetric",
    "min_real_range": "MinimumRealRange",
    "matmul_const_b_only": "MatMulConstBOnly",
    "force_data_movement": "ForceQuantizeNoInputCheck",
    "qdq_pair_on_weights": "AddQDQPairToWeight",
    "dedicated_qdq_pairs": "DedicatedQDQPair",
    "keep_removable_activations": "QDQKeepRemovableActivations",
    "quantize_bias": "QuantizeBias",
    "exclude_output_types": "OpTypesToExcludeOutputQuantization",
    "channel_axes": "QDQOpTypePerChannelSupportToAxis",
    "contrib_qdq": "UseQDQContribOps",
    "bodies": "EnableSubgraph",
    "nnapi_sigmoid": "extra.Sigmoid.nnapi",
}


def peer_override(override, real):
    """One entry of a tensor's overrides, JSON as planish reads it, as the peer takes it."""
    made = dict(override)
    if "quant_type" in made:
        made["quant_type"] = QuantType[made["quant_type"]]
    for key in ("scale", "rmin", "rmax"):
        if key in made:
            made[key] = np.array(made[key], real)
    if "zero_point" in made:
        made["zero_point"] = np.array(made["zero_point"])
    if "convert" in made:
        made["convert"] = peer_override(made["convert"], real)
    if "recv_nodes" in made:
        made["recv_nodes"] = set(made["recv_nodes"])
    return made


def quantize(path, ranges, options):
    extra = {EXTRA[k]: v for k, v in options.items() if k in EXTRA}
    if "tensor_overrides" in options:
        real = np.float16 if path.stem.endswith("_half") else np.float32
        extra["TensorQuantOverrides"] = {
            tensor: [peer_override(one, real) for one in entries] for tensor, entries in options["tensor_overrides"].items()}
    # As quantize_static() and quantize_dynamic() begin.
    types = (TYPES[options["weight"]],) if options["mode"] == "dynamic" else (
        TYPES[options["weight"]], TYPES[options["activation"]], extra.get("TensorQuantOverrides"))
    model = update_opset_version(load_model_with_shape_infer(path), *types)
    if "adjust_weights_for_bias" in options:
        extra["QDQDisableWeightAdjustForInt32Bias"] = not options["adjust_weights_for_bias"]
    dynamic = options["mode"] == "dynamic"
    op_types = options.get("op_types") or (list(IntegerOpsRegistry) if dynamic else STATIC_TYPES)
    lists = (options.get("include_nodes", []), options.get("exclude_nodes", []), op_types)
    per_channel, reduce_range = options["weights"] == "per-channel", options.get("reduce_range", False)
    weight_type, activation_type = TYPES[options["weight"]], TYPES[options["activation"]]
    if dynamic:
        extra.setdefault("MatMulConstBOnly", True)
        quantizer = ONNXQuantizer(model, per_channel, reduce_range, QuantizationMode.IntegerOps, False, weight_type,
                                  QuantType.QUInt8, None, *lists, extra)
    else:
        data = {k: TensorData(lowest=np.array(v[0]), highest=np.array(v[1])) for k, v in ranges.items()}
        table = TensorsData(CalibrationMethod.MinMax, data)
        if options["format"] == "qdq":
            quantizer = QDQQuantizer(model, per_channel, reduce_range, weight_type, activation_type, table, *lists, extra)
        else:
            quantizer = ONNXQuantizer(model, per_channel, reduce_range, QuantizationMode.QLinearOps, True, weight_type,
                                      activation_type, table, *lists, extra)
    quantizer.quantize_model()
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out.onnx"
        quantizer.model.save_model_to_file(out.as_posix())
        return onnx.load(out)


def base(mode="static", fmt="qdq", weights="per-channel", activation="u8", weight="s8", **more):
    options = {"mode": mode, "weights": weights, "activation": activation, "weight": weight}
    if mode == "static":
        options["format"] = fmt
    return {**options, **more}


def override_cases():
    scaled = {"scale": 0.0625, "zero_point": 3}
    channels = [{"axis": 0, "scale": 0.01, "zero_point": 0}] + [{"scale": 0.01 * k, "zero_point": 0} for k in (2, 3, 4)]
    ranges = [{"axis": 0, "rmin": -1.0, "rmax": 1.5}] + [{"rmin": -0.5 * k, "rmax": 0.25 * k} for k in (1, 2, 3)]
    u16 = {"quant_type": "QUInt16"}
    both_formats = [
        {"a": [scaled]}, {"x": [scaled], "y": [{"scale": 0.125, "zero_point": 0}]}, {"x": [{"rmin": -4.0}]},
        {"r": [{"rmin": 0.0, "rmax": 9.0}]}, {"b": [{"symmetric": True}], "c": [{"quant_type": "QInt8"}]},
        {"w0": [{"quant_type": "QUInt8"}]}, {"w0": [{"scale": 0.02, "zero_point": 1}]}, {"w0": [{"symmetric": False}]},
        {"w2": [{"reduce_range": True}]}, {"w2": [{"rmin": -0.5, "rmax": 0.75}]}, {"k": [{"symmetric": True}]},
        {"k": [{"quant_type": "QInt8"}]}]
    for overrides in both_formats:
        for fmt in ("qdq", "qoperator"):
            yield "mixed_precision", base(fmt=fmt, weights="per-tensor", tensor_overrides=overrides)
    for overrides in ({"w2": channels}, {"w2": ranges}, {"w2": [{"axis": 0, "symmetric": False}]},
                      {"w2": [{"axis": 0, "rmin": -0.5, "rmax": 0.75}]}, {"w2": [{"axis": -4, "reduce_range": True}]}):
        for fmt in ("qdq", "qoperator"):
            yield "mixed_precision", base(fmt=fmt, tensor_overrides=overrides)
    for overrides in ({"w2": channels}, {"w2": [{"axis": 1}]}, {"w2": [{}]}, {"b2": [{}]}, {"b2": [{"axis": 0}]},
                      {"b2": [{"quant_type": "QInt16"}]}, {"k": [{"axis": 1}]}, {"k": [u16]}, {"a": [u16], "r": [u16]},
                      {"w2": [{"quant_type": "QInt16"}], "r": [u16]}, {"t": [scaled]}, {"x": [{"quant_type": "QInt16", "symmetric": True}]}):
        for weights in ("per-tensor", "per-channel"):
            yield "mixed_precision", base(weights=weights, tensor_overrides=overrides)

    def converted(tensor, *readers, **more):
        convert = {**u16, **more, **({"recv_nodes": list(readers)} if readers else {})}
        return {tensor: [{"quant_type": "QUInt8", "convert": convert}]}

    for overrides in (converted("r"), converted("r", "Conv_2"), converted("r", "Transpose_3"), converted("r", "Conv_2", "Transpose_3"),
                      converted("a"), converted("t"), converted("t", "Conv_4"), converted("x"), converted("y"), converted("s"),
                      converted("s", "Add_6"), converted("s", "Nobody"), converted("s", "Nobody", "Else"),
                      {**converted("r", "Transpose_3"), **converted("t")}, converted("b", **scaled), converted("b", rmax=7.0),
                      converted("m", symmetric=True)):
        yield "mixed_precision", base(tensor_overrides=overrides)
        yield "mixed_precision", base(weights="per-tensor", keep_removable_activations=True, tensor_overrides=overrides)
    for model, tensor, axis in (("gemm_trans1", "w", 0), ("gemm_trans1", "w", -2), ("gemm_trans0", "w", 1), ("matmul", "w", 1)):
        channel = {"axis": axis, "symmetric": False}
        yield model, base(mode="dynamic", tensor_overrides={tensor: [channel]})
        yield model, base(mode="dynamic", weights="per-tensor", tensor_overrides={tensor: [{"quant_type": "QUInt8"}]})
    yield "gather_embedding", base(mode="dynamic", tensor_overrides={"table": [{"scale": 0.03, "zero_point": 7}]})


def other_opset_cases():
    for weights in ("per-channel", "per-tensor"):
        for fmt in ("qdq", "qoperator"):
            yield "conv_opset9", base(fmt=fmt, weights=weights)
            yield "dense_opset10", base(fmt=fmt, weights=weights)
        yield "conv_opset9", base(mode="dynamic", weights=weights)
        yield "dense_opset10", base(mode="dynamic", weights=weights)
        for activation, weight_type in (("u16", "s8"), ("u8", "s16")):
            for model in ("conv_chain", "split", "lstm_opset13", "matmul_batched"):
                yield model, base(weights=weights, activation=activation, weight=weight_type)
    yield "conv_chain", base(contrib_qdq=True, activation="u16")
    yield "conv_chain", base(tensor_overrides={"r1": [{"quant_type": "QUInt16"}]})


def half_cases():
    for name in HALVES:
        for weights in ("per-channel", "per-tensor"):
            # In QOperator the peer divides tiny biases by a scale of 0 and casts NaN to integers.
            for fmt in ("qdq", "qoperator") if name != "tiny_scales" else ("qdq",):
                yield f"{name}_half", base(fmt=fmt, weights=weights)
            yield f"{name}_half", base(weights=weights, adjust_weights_for_bias=False)
    for name in ("conv_chain_half", "large_bias_half", "matmul_half"):
        yield name, base(activation="s8", symmetric_activations=True)
        yield name, base(min_real_range=4.1)
        yield name, base(reduce_range=True)
        yield name, base(tensor_overrides={"x": [{"scale": 0.0123, "zero_point": 7}]})
        yield name, base(mode="dynamic")


def body_cases():
    for model in ("bodies_if", "bodies_loop", "bodies_nested"):
        for weights in ("per-channel", "per-tensor"):
            for bodies in (False, True):
                yield model, base(weights=weights, bodies=bodies)
                yield model, base(mode="dynamic", weights=weights, bodies=bodies)
                yield model, base(mode="dynamic", weights=weights, weight="u8", reduce_range=True, bodies=bodies)
            yield model, base(fmt="qoperator", weights=weights, bodies=True)
        yield model, base(mode="dynamic", bodies=True, op_types=["MatMul"])
        yield model, base(mode="dynamic", bodies=True, matmul_const_b_only=False)
    yield "bodies_if", base(mode="dynamic", bodies=True, exclude_nodes=["MatMul_0"])
    yield "bodies_loop", base(mode="dynamic", bodies=True, include_nodes=["Gemm_0_MatMul"])


def cases():
    other = ("attention", "lstm", "lstm_opset13", "conv_opset9", "dense_opset10", "computed_weights")
    every_operator = [m for m in MODELS if m not in other and not m.endswith("_half") and not m.startswith("bodies_")]
    for model in every_operator:
        for fmt in ("qdq", "qoperator"):
            for weights in ("per-channel", "per-tensor"):
                yield model, base(fmt=fmt, weights=weights)
    for model in ("conv_chain", "gemm_trans1", "matmul", "matmul_batched", "add_constant", "pad_value", "softmax",
                  "large_bias", "zero_weight", "relu_two_readers", "gather_embedding", "instance_norm"):
        for fmt in ("qdq", "qoperator"):
            for weights in ("per-channel", "per-tensor"):
                for activation, weight_type in (("s8", "s8"), ("u8", "u8")):
                    yield model, base(fmt=fmt, weights=weights, activation=activation, weight=weight_type)
                yield model, base(fmt=fmt, weights=weights, reduce_range=True)
            yield model, base(fmt=fmt, symmetric_activations=True)
            yield model, base(fmt=fmt, activation="s8", symmetric_activations=True)
            yield model, base(fmt=fmt, activation="u8", weight="u8", reduce_range=True)
            yield model, base(fmt=fmt, weights="per-tensor", symmetric_weights=False)
            yield model, base(fmt=fmt, restricted_zero_points=True)
            yield model, base(fmt=fmt, min_real_range=4.0)
    for model in ("transpose", "max_pool", "reshape", "gather", "where", "matmul_batched", "arg_max", "resize_nearest",
                  "split", "conv_chain"):
        for fmt in ("qdq", "qoperator"):
            yield model, base(fmt=fmt, force_data_movement=True)
    for model in ("conv_chain", "matmul_batched", "output_in_the_middle", "relu_two_readers", "shared_bias", "gemm_trans1"):
        yield model, base(qdq_pair_on_weights=True)
        yield model, base(dedicated_qdq_pairs=True)
        yield model, base(keep_removable_activations=True)
        yield model, base(adjust_weights_for_bias=False)
        yield model, base(exclude_output_types=["Conv", "MatMul", "Gemm"])
        yield model, base(contrib_qdq=True)
    for model in ("conv_chain", "shared_bias"):
        yield model, base(quantize_bias=False)
    yield "large_bias", base(adjust_weights_for_bias=False)
    yield "matmul", base(channel_axes={"MatMul": 0})
    for fmt in ("qdq", "qoperator"):
        yield "conv_chain", base(fmt=fmt, op_types=["Conv"])
        yield "conv_chain", base(fmt=fmt, op_types=["Conv", "Add", "Relu"])
        yield "conv_chain", base(fmt=fmt, exclude_nodes=["Conv_2", "Gemm_11"])
        yield "conv_chain", base(fmt=fmt, include_nodes=["Conv_0", "Relu_1", "Conv_2", "Add_7"])
        yield "float_islands", base(fmt=fmt, op_types=["Conv", "Gemm", "Tanh", "Exp", "Mul", "ReduceMean"])
        yield "matmul_batched", base(fmt=fmt, matmul_const_b_only=True)
    yield from override_cases()
    yield from other_opset_cases()
    yield from half_cases()
    for activation in ("u8", "s8"):
        yield "sigmoid", base(fmt="qoperator", activation=activation, nnapi_sigmoid=True)
    for activation, weight_type in (("u16", "s8"), ("s16", "s8"), ("u16", "u16"), ("s16", "s16")):
        for weights in ("per-channel", "per-tensor"):
            yield "opset21", base(weights=weights, activation=activation, weight=weight_type)
    dynamic = ["matmul", "matmul_batched", "matmul_rank3_weight", "gemm_trans0", "gemm_trans1", "gemm_shared_weight",
               "conv_chain", "conv", "conv_unnamed", "conv_1d", "gather_embedding", "embed_layer_norm", "attention", "lstm",
               "float_islands", "shared_weight", "computed_weights"]
    for model in dynamic:
        for weights in ("per-channel", "per-tensor"):
            for weight_type in ("s8", "u8"):
                for reduce_range in (False, True):
                    yield model, base(mode="dynamic", weights=weights, weight=weight_type, reduce_range=reduce_range)
    yield "matmul_batched", base(mode="dynamic", matmul_const_b_only=False)
    yield "conv_chain", base(mode="dynamic", op_types=["MatMul"])
    yield "matmul", base(mode="dynamic", exclude_nodes=["MatMul_0"])
    yield from body_cases()


def strip(graph):
    del graph.value_info[:]
    graph.doc_string = ""
    for node in graph.node:
        node.doc_string = ""
        for attribute in node.attribute:
            if attribute.HasField("g"):
                strip(attribute.g)
            for inner in attribute.graphs:
                strip(inner)


def stripped(model):
    """What the comparison looks at; the rest only takes space."""
    strip(model.graph)
    del model.metadata_props[:]
    model.doc_string = ""
    return model


def main():
    out = pathlib.Path(sys.argv[1])
    (out / "models").mkdir(parents=True, exist_ok=True)
    for path in sys.argv[2:]:
        MODELS[pathlib.Path(path).stem + "_quarter"] = real_model(path)
    inputs, records, seen, pack, places = {}, [], {}, bytearray(), {}
    for name, model in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            raw = pathlib.Path(folder) / "m.onnx"
            onnx.save(model, raw)
            inferred = load_model_with_shape_infer(raw)
        del inferred.metadata_props[:]
        inputs[name] = (out / "models" / f"{name}.onnx", ranges_of(inferred))
        onnx.save(inferred, inputs[name][0])
    for model, options in cases():
        path, ranges = inputs[model]
        record = {"name": "", "model": model, "options": options}
        marks = [str(v) if k in ("mode", "format", "weights", "activation", "weight") else k
                 for k, v in options.items() if v is not False or k == "quantize_bias"]
        record["name"] = "-".join([model, *marks])
        while record["name"] in seen:
            record["name"] += "+"
        seen[record["name"]] = True
        try:
            expected = quantize(path, ranges, options)
            content = stripped(expected).SerializeToString(deterministic=True)
            if content not in places:
                places[content] = len(pack)
                pack += content
            record["expected"] = [places[content], len(content)]
        except Exception as error:  # noqa: BLE001: what the peer refuses is recorded too
            record["peer_error"] = f"{type(error).__name__}: {str(error)[:120]}"
        records.append(record)
    (out / "expected.zlib").write_bytes(zlib.compress(pack, 9))
    document = {
        "expected_bytes": len(pack),
        "ranges": {m: {k: [float(v[0]), float(v[1])] for k, v in r.items()} for m, (_, r) in inputs.items()},
        "cases": records,
    }
    (out / "cases.json").write_text(json.dumps(document, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")
    failed = [r["name"] + ": " + r["peer_error"] for r in records if "peer_error" in r]
    print(f"{len(records)} cases, {len(failed)} refused by the peer", *failed, sep="\n")


if __name__ == "__main__":
    main()
