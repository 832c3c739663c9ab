"""Held-out images to try the model with: pictures, and a request that is ready to send."""

import numpy as np

import artifact
import export
from data import Dataset

SURE = 0.95


def pick(model: bytes, dataset: Dataset) -> dict[str, bytes | str]:
    """The files `samples/<name>.png` of the data set's pictures, `samples/request.json`, and golden.json.

    Of each class, the first held-out image that the model recognises with a probability above SURE
    from the written values (the picture's 256 levels, and the request's decimals). Where a model
    that was let through with a low --min-accuracy has none, the one that it is surest of.
    """
    held_out = dataset.held_out
    as_picture = export.predict(model, artifact.quantise(held_out.images).astype(np.float32) / 255)
    as_request = export.predict(model, artifact.rounded(held_out.images))
    surest = np.minimum(as_picture, as_request)

    def first(label: int) -> np.ndarray:
        members = np.flatnonzero(held_out.labels == label)
        probabilities = surest[members, label]
        # argmax of booleans is the first True.
        place = (probabilities > SURE) if probabilities.max() > SURE else probabilities
        return held_out.images[members[place.argmax()]]

    pictures = {
        f"samples/{name}.png": artifact.png(first(label))
        for name, label in dataset.pictures.items()
    }
    asked = first(dataset.request)
    answer = export.predict(model, artifact.rounded(asked[np.newaxis]))
    return {
        **pictures,
        "samples/request.json": artifact.infer_request_json(asked),
        "golden.json": artifact.golden_json(asked, answer),
    }
