"""Prints the pixels of a picture as the training program resamples them: `resampled.py JSON`.

JSON: {"pixels": rows of columns of [red, green, blue], "side": …}.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "functions/train"))

from data import resample  # noqa: E402

request = json.loads(sys.argv[1])
pixels = np.array(request["pixels"], dtype=np.float64) / 255
# As functions/train/folder.py does.
image = resample(pixels.transpose(2, 0, 1), request["side"]).astype(np.float32)
print(json.dumps({"shape": image.shape, "data": image.ravel().tolist()}))
