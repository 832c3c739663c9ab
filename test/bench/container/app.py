"""The same function in Python: ONNX Runtime behind awslambdaric, and nothing that it does not need.

It answers requests of the Open Inference Protocol with binary tensors, as API Gateway hands them over, with JSON. The
model is loaded in INIT, where Lambda has the most CPU: from a folder, or from S3 as boto3 downloads in parallel.

Prints a line of JSON when it is ready and one after the first run, of the form that CloudWatch's metrics have in ours.
"""

import base64
import json
import os
import time

import numpy as np
import onnxruntime

DTYPES = {"FP32": np.float32}


def milliseconds() -> float:
    return time.perf_counter() * 1000


def report(**metrics: float) -> None:
    print(json.dumps({"_aws": {"Timestamp": time.time() * 1000}, **metrics}), flush=True)


def model_file(repository: str, model: str) -> str:
    """Path of the model's file on this machine."""
    if not repository.startswith("s3://"):
        return f"{repository}/{model}/1/model.onnx"
    import boto3

    path = "/tmp/model.onnx"
    boto3.client("s3").download_file(repository.removeprefix("s3://"), f"{model}/1/model.onnx", path)
    return path


def load(path: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


began = milliseconds()
path = model_file(os.environ["MODEL_REPOSITORY"], os.environ["PRELOAD_MODELS"])
downloaded = milliseconds()
session = load(path)
report(ColdStartDownload=downloaded - began, ColdStartSession=milliseconds() - downloaded)
is_fresh = True


def handler(event: dict, _context: object) -> dict:
    global is_fresh
    body = base64.b64decode(event["body"])
    length = int(event["multiValueHeaders"]["Inference-Header-Content-Length"][0])
    feeds = {}
    for tensor in json.loads(body[:length])["inputs"]:
        size = tensor["parameters"]["binary_data_size"]
        values = np.frombuffer(body, DTYPES[tensor["datatype"]], size // 4, length)
        feeds[tensor["name"]] = values.reshape(tensor["shape"])
        length += size
    started = milliseconds()
    results = session.run(None, feeds)
    if is_fresh:
        report(ColdStartFirstRun=milliseconds() - started)
        is_fresh = False
    outputs = [
        {
            "name": output.name,
            "datatype": "FP32",
            "shape": list(result.shape),
            "data": result.ravel().tolist(),
        }
        for output, result in zip(session.get_outputs(), results, strict=True)
    ]
    answer = {"model_name": os.environ["PRELOAD_MODELS"], "model_version": "1", "outputs": outputs}
    return {
        "statusCode": 200,
        "multiValueHeaders": {"content-type": ["application/json"]},
        "body": json.dumps(answer),
        "isBase64Encoded": False,
    }
