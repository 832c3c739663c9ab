"""FastAPI as fast as its documentation makes it: no validation, orjson, uvloop, httptools, a process per core."""

import os

import numpy as np
import onnxruntime
import orjson
from fastapi import FastAPI, Request, Response

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL_FILE"], options)
app = FastAPI()


@app.post("/v2/models/digits/infer")
async def infer(request: Request) -> Response:
    body = await request.body()
    length = int(request.headers.get("inference-header-content-length", len(body)))
    image = orjson.loads(body[:length])["inputs"][0]
    binary = length < len(body)
    if binary:
        pixels = np.frombuffer(body, np.float32, offset=length)
    else:
        pixels = np.array(image["data"], np.float32)
    (values,) = session.run(["probabilities"], {"image": pixels.reshape(image["shape"])})
    output = {"name": "probabilities", "datatype": "FP32", "shape": values.shape}
    answer = {"model_name": "digits", "model_version": "1", "outputs": [output]}
    if not binary:
        output["data"] = values.ravel()
        content = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(content, media_type="application/json")
    output["parameters"] = {"binary_data_size": values.nbytes}
    header = orjson.dumps(answer)
    headers = {"inference-header-content-length": str(len(header))}
    return Response(header + values.tobytes(), headers=headers)
