"""Calls a deployed service with tritonclient: argv[1] is host:port, argv[2] a request in JSON for the model digits."""

import json
import sys

import numpy as np
import tritonclient.http as triton

address, request = sys.argv[1:]
with open(request) as file:
    pixels = json.load(file)["inputs"][0]
data = np.array(pixels["data"], np.float32).reshape(pixels["shape"])

client = triton.InferenceServerClient(address)
image = triton.InferInput("image", list(data.shape), "FP32")
image.set_data_from_numpy(data)
result = client.infer("digits", [image], outputs=[triton.InferRequestedOutput("probabilities")])
probabilities = result.as_numpy("probabilities")
print(
    json.dumps(
        {
            "ready": client.is_server_ready() and client.is_model_ready("digits"),
            "extensions": client.get_server_metadata()["extensions"],
            "inputs": client.get_model_metadata("digits")["inputs"],
            "index": client.get_model_repository_index(),
            "shape": list(probabilities.shape),
            "digit": int(probabilities.argmax()),
        }
    )
)
