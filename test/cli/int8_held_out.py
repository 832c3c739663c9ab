"""`int8_held_out.py MODEL STEP`: how many pictures of the digits' evaluation.tar a model gets right, computed by ONNX
Runtime for Python; of those whose place in the archive is no multiple of STEP, or of all where STEP is 0."""

import io
import json
import sys
import tarfile

import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession(sys.argv[1])
step = int(sys.argv[2])
correct = samples = 0
with tarfile.open("model-artifacts/digits/evaluation.tar") as archive:
    for place, entry in enumerate(archive):
        if step > 0 and place % step == 0:
            continue
        with Image.open(io.BytesIO(archive.extractfile(entry).read())) as picture:
            pixels = np.asarray(picture.convert("RGB"), np.float32).transpose(2, 0, 1)[np.newaxis] / 255
        (probabilities,) = session.run(None, {"image": pixels})
        samples += 1
        correct += int(probabilities.argmax()) == int(entry.name.split("/")[0])
print(json.dumps({"correct": correct, "samples": samples}))
