"""LitServe: `litserve_server.py PORT`, a worker per core behind an HTTP process per core. It reads JSON only."""

import os
import sys

import litserve
import numpy as np
import onnxruntime

PROCESSES = int(os.environ["PROCESSES"])


class Digits(litserve.LitAPI):
    def setup(self, device: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL_FILE"], options)

    def decode_request(self, request: dict) -> np.ndarray:
        image = request["inputs"][0]
        return np.array(image["data"], np.float32).reshape(image["shape"])

    def predict(self, pixels: np.ndarray) -> np.ndarray:
        return self.session.run(["probabilities"], {"image": pixels})[0]

    def encode_response(self, values: np.ndarray) -> dict:
        output = {"name": "probabilities", "datatype": "FP32", "shape": list(values.shape)}
        output["data"] = values.ravel().tolist()
        return {"model_name": "digits", "model_version": "1", "outputs": [output]}


if __name__ == "__main__":
    server = litserve.LitServer(
        Digits(api_path="/v2/models/digits/infer"),
        accelerator="cpu",
        workers_per_device=PROCESSES,
        fast_queue=True,
    )
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=PROCESSES,
        log_level="error",
        generate_client_file=False,
    )
