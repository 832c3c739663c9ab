"""Writes the held-out digits as pictures, `held_out.py OUTPUT_DIR`: `<digit>/<number>.png`.

Prints how many of them the committed model gets right, computed by ONNX Runtime for Python from the
256 levels that a picture has.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "functions/train"))

import artifact  # noqa: E402
import digits  # noqa: E402

output = Path(sys.argv[1])
held_out = digits.load().held_out
for i, (image, label) in enumerate(zip(held_out.images, held_out.labels)):
    folder = output / str(label)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{i:03}.png").write_bytes(artifact.png(image))
session = onnxruntime.InferenceSession(str(ROOT / "model-artifacts/digits/1/model.onnx"))
levels = artifact.quantise(held_out.images).astype(np.float32) / 255
(probabilities,) = session.run(None, {"image": levels})
correct = int((probabilities.argmax(axis=1) == held_out.labels).sum())
print(json.dumps({"correct": correct, "samples": len(held_out)}))
