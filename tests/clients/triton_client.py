"""NVIDIA's tritonclient over HTTP and gRPC against `planish serve`: triton_client.py SOURCE_DIR PLANISH"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

source, planish = sys.argv[1:]
model = os.path.join(source, "examples/cifar10/resnet8x4.onnx")


@contextlib.contextmanager
def serving():
    with tempfile.TemporaryDirectory() as folder:
        store = os.path.join(folder, "store")
        subprocess.run([planish, "store", "put", model, "--name", "net", "--store", store], check=True,
                       stdout=subprocess.DEVNULL)
        process = subprocess.Popen(
            [planish, "serve", "--store", store, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0",
             "--admin", "127.0.0.1:0", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            assert process.wait(timeout=60) == 0


def wait_until_ready(client):
    for _ in range(6000):
        if client.is_server_ready():
            return
    raise SystemExit("never ready")


def refuses(call):
    try:
        call()
    except InferenceServerException:
        return True
    return False


def exercise(module, client, is_http):
    """The same calls by both transports; returns the outputs of one request."""
    wait_until_ready(client)
    assert client.is_server_live() and client.is_model_ready("net") and client.is_model_ready("net", "1")
    assert not client.is_model_ready("other") if is_http else refuses(lambda: client.is_model_ready("other"))
    metadata = client.get_model_metadata("net")
    get = (lambda m, k: m[k]) if is_http else getattr
    spec = get(metadata, "inputs")[0]
    name, shape = get(spec, "name"), [1 if d < 0 else int(d) for d in get(spec, "shape")]
    assert get(spec, "datatype") == "FP32"
    output = get(get(metadata, "outputs")[0], "name")
    assert "planish" == get(client.get_server_metadata(), "name")

    data = np.linspace(0, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    tensor = module.InferInput(name, shape, "FP32")
    tensor.set_data_from_numpy(data)
    result = client.infer("net", [tensor], request_id="r7", model_version="1")
    logits = result.as_numpy(output)
    assert np.isfinite(logits).all() and logits.shape[0] == 1, logits.shape
    response = result.get_response()
    assert get(response, "id") == "r7"

    top = module.InferRequestedOutput(output, class_count=3)
    classes = client.infer("net", [tensor], outputs=[top]).as_numpy(output)
    best = [int(c.decode().split(":")[1]) for c in classes.reshape(-1)]
    assert best == list(np.argsort(-logits[0], kind="stable")[:3]), (best, logits)

    wrong = module.InferInput(name, shape[:-1], "FP32")
    wrong.set_data_from_numpy(data[..., 0].copy())
    assert refuses(lambda: client.infer("net", [wrong]))
    assert refuses(lambda: client.infer("other", [tensor]))
    many = [client.async_infer("net", [tensor]) for _ in range(20)] if is_http else []
    for one in many:
        assert np.array_equal(one.get_result().as_numpy(output), logits)
    statistics = client.get_inference_statistics("net")
    count = (int(statistics["model_stats"][0]["inference_count"]) if is_http
             else statistics.model_stats[0].inference_count)
    assert count >= 2, statistics
    assert client.get_model_repository_index()
    return logits


with serving() as where:
    with tritonclient.http.InferenceServerClient(where["http"], concurrency=4) as client:
        http = exercise(tritonclient.http, client, True)
        assert client.get_model_config("net")["input"][0]["data_type"] == "TYPE_FP32"
    with tritonclient.grpc.InferenceServerClient(where["grpc"]) as client:
        grpc = exercise(tritonclient.grpc, client, False)
    assert np.array_equal(http, grpc)
    with tritonclient.http.InferenceServerClient(where["admin"]) as admin:
        admin.unload_model("net")
        assert not admin.is_model_ready("net")
        admin.load_model("net")
        assert admin.is_model_ready("net")
print("tritonclient: HTTP and gRPC agree")
