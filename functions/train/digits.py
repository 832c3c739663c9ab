"""The digits: real 8x8 scans, resampled to the network's input.

Source: "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak, UCI Machine
Learning Repository, 1998, https://doi.org/10.24432/C50P49, licence CC BY 4.0. scikit-learn ships
the test set of it (1,797 scans of 13 writers) as `load_digits`. It does not say who wrote what, so
both parts hold the same hands: the held-out accuracy is not that on a new writer.
"""

import hashlib

import numpy as np
from sklearn.datasets import load_digits

from data import CHANNELS, Dataset, Part, held_out_mask, resample

SOURCE = {
    "name": "Optical Recognition of Handwritten Digits, test set (scikit-learn's load_digits)",
    "authors": "E. Alpaydin, C. Kaynak",
    "url": "https://doi.org/10.24432/C50P49",
    "licence": "CC BY 4.0",
}
CLASSES = tuple("0123456789")
DESCRIPTION = "Handwritten digits: pixels 0..1 (0 paper, 1 ink) to the probability of each digit."
PICTURES = {"zero": 0, "two": 2, "three": 3, "five": 5, "seven": 7}
REQUEST = 7
SIDE = 32
SCAN_SIDE = 8
MAX_INTENSITY = 16


def load(side: int = SIDE) -> Dataset:
    """Loads, splits and resamples the digits; needs no network.

    The sha256 is of the 8x8 scans (one byte a pixel) and then their labels.
    """
    raw = load_digits()
    scans = raw.images.astype(np.uint8)
    labels = raw.target.astype(np.int64)
    held_out = held_out_mask(scans, labels)
    images = to_images(scans, side)
    return Dataset(
        training=Part(images[~held_out], labels[~held_out]),
        held_out=Part(images[held_out], labels[held_out]),
        classes=CLASSES,
        sha256=hashlib.sha256(scans.tobytes() + labels.astype(np.uint8).tobytes()).hexdigest(),
        description=DESCRIPTION,
        pictures=PICTURES,
        request=REQUEST,
        scan_side=SCAN_SIDE,
        source=SOURCE,
    )


def to_images(scans: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Turns scans (uint8 [n, height, width], 0..16) into float32 [n, 3, side, side], 0..1."""
    gray = resample(scans.astype(np.float64) / MAX_INTENSITY, side)
    return np.repeat(gray[:, np.newaxis], CHANNELS, axis=1).astype(np.float32)
