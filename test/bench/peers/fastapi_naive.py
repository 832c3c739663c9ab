"""FastAPI as its tutorial has it: pydantic reads and writes, a process per core."""

import os

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL_FILE"], options)
app = FastAPI()


class Tensor(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class InferRequest(BaseModel):
    inputs: list[Tensor]


class InferResponse(BaseModel):
    model_name: str
    outputs: list[Tensor]


@app.post("/v2/models/digits/infer")
def infer(request: InferRequest) -> InferResponse:
    image = request.inputs[0]
    pixels = np.array(image.data, np.float32).reshape(image.shape)
    (values,) = session.run(["probabilities"], {"image": pixels})
    shape, data = list(values.shape), values.ravel().tolist()
    output = Tensor(name="probabilities", shape=shape, datatype="FP32", data=data)
    return InferResponse(model_name="digits", outputs=[output])
