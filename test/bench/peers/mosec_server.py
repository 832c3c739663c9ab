"""mosec: its Rust front, a worker per core. It has no headers to tell a binary tensor by, so a body of one image's bytes is one."""

import os

import numpy as np
import onnxruntime
import orjson
from mosec import Server, Worker

SHAPE = (1, 3, 32, 32)
BYTES = 4 * 3 * 32 * 32


class Digits(Worker):
    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL_FILE"], options)

    def deserialize(self, data: bytes) -> tuple[bool, np.ndarray]:
        if len(data) == BYTES:
            return True, np.frombuffer(data, np.float32)
        return False, np.array(orjson.loads(data)["inputs"][0]["data"], np.float32)

    def forward(self, data: tuple[bool, np.ndarray]) -> tuple[bool, np.ndarray]:
        binary, pixels = data
        return binary, self.session.run(["probabilities"], {"image": pixels.reshape(SHAPE)})[0]

    def serialize(self, data: tuple[bool, np.ndarray]) -> bytes:
        binary, values = data
        if binary:
            return values.tobytes()
        output = {"name": "probabilities", "datatype": "FP32", "shape": values.shape}
        output["data"] = values.ravel()
        answer = {"model_name": "digits", "model_version": "1", "outputs": [output]}
        return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


if __name__ == "__main__":
    server = Server()
    server.append_worker(Digits, num=int(os.environ["PROCESSES"]), route="/v2/models/digits/infer")
    server.run()
