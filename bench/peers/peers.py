"""What the other tools make of a model, each by its own documentation, with the samples that planish calibrates with."""
import logging
import os
import pathlib
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import numpy as np


def samples_of(folder):
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as arrays:
            yield {name: arrays[name] for name in arrays.files}


def onnxruntime_tool(subject_folder, output, transformer):
    """`quantize_static`: QDQ, u8 activations and s8 weights per channel, of 7 bits, as its documentation advises for CPUs
    with AVX2 and without VNNI; `quantize_dynamic` of transformers. Both after its own pre-processing."""
    from onnxruntime import quantization as ort
    from onnxruntime.quantization.shape_inference import quant_pre_process
    model = subject_folder / "model.onnx"
    prepared = output.with_suffix(".prepared.onnx")
    try:
        quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
    except Exception as error:
        print(f"onnxruntime: not pre-processed: {error}", file=sys.stderr)
        prepared = model
    if transformer:
        ort.quantize_dynamic(str(prepared), str(output), per_channel=True, reduce_range=True, weight_type=ort.QuantType.QInt8)
        return

    class Reader(ort.CalibrationDataReader):
        def __init__(self):
            self.samples = samples_of(subject_folder / "calibration")

        def get_next(self):
            return next(self.samples, None)

    ort.quantize_static(str(prepared), str(output), Reader(), quant_format=ort.QuantFormat.QDQ, per_channel=True, reduce_range=True,
                        activation_type=ort.QuantType.QUInt8, weight_type=ort.QuantType.QInt8)


def nncf_tool(subject_folder, output, transformer):
    """`nncf.quantize` with its defaults; transformers by their own scheme."""
    import nncf
    import onnx
    nncf.set_log_level(logging.ERROR)
    samples = list(samples_of(subject_folder / "calibration"))
    model = onnx.load(subject_folder / "model.onnx")
    quantized = nncf.quantize(model, nncf.Dataset(samples), subset_size=len(samples),
                              model_type=nncf.ModelType.TRANSFORMER if transformer else None)
    onnx.save(quantized, output)


TOOLS = {"onnxruntime": onnxruntime_tool, "nncf": nncf_tool}

if __name__ == "__main__":  # in a process of its own: peers.py TOOL SUBJECT_FOLDER OUTPUT static|transformer
    TOOLS[sys.argv[1]](pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), sys.argv[4] == "transformer")
