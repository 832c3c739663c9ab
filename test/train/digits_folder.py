"""Writes the digits as pictures, `training/<digit>/<n>.png` and `held-out/<digit>/<n>.png`, into the folder named."""

import sys
from pathlib import Path

from conftest import REPOSITORY  # noqa: F401, for the path of the modules below

import artifact
import digits

dataset = digits.load()
for name, part in {"training": dataset.training, "held-out": dataset.held_out}.items():
    for number, (image, label) in enumerate(zip(part.images, part.labels, strict=True)):
        file = Path(sys.argv[1]) / name / str(label) / f"{number:04}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(artifact.png(image))
