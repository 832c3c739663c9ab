"""Held-out digits to try the model with: pictures, and a request that is ready to send."""

import numpy as np

import artifact
import export
from data import Part
from failure import TrainingFailed

PICTURES = {"zero": 0, "two": 2, "three": 3, "five": 5, "seven": 7}
REQUEST = 7
LEAST_PROBABILITY = 0.95


def pick(model: bytes, held_out: Part) -> dict[str, bytes | str]:
    """The files `samples/<name>.png` for PICTURES and `samples/request.json` for REQUEST.

    Of each class, the first held-out digit that the model recognises with more than
    LEAST_PROBABILITY from the written values: the picture's 256 levels, and the request's decimals.
    Raises TrainingFailed when a class has none.
    """
    as_picture = export.predict(model, artifact.quantise(held_out.images).astype(np.float32) / 255)
    as_request = export.predict(model, artifact.rounded(held_out.images))
    surest = np.minimum(as_picture, as_request)

    def first(label: int) -> np.ndarray:
        found = np.flatnonzero((held_out.labels == label) & (surest[:, label] > LEAST_PROBABILITY))
        if not len(found):
            raise TrainingFailed(
                f"no held-out {label} is recognised with a probability above {LEAST_PROBABILITY:g}, "
                "expected at least one, as a sample"
            )
        return held_out.images[found[0]]

    pictures = {f"samples/{name}.png": artifact.grey_png(first(label)) for name, label in PICTURES.items()}
    return {**pictures, "samples/request.json": artifact.infer_request_json(first(REQUEST))}
