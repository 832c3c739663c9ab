"""The digits: real 8x8 scans, resampled to the network's input, in a training and a held-out part.

Source: "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak, UCI Machine
Learning Repository, 1998, https://doi.org/10.24432/C50P49, licence CC BY 4.0. scikit-learn ships
the test set of it (1,797 scans of 13 writers) as `load_digits`. It does not say who wrote what, so
both parts hold the same hands: the held-out accuracy is not that on a new writer.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits

SOURCE = {
    "name": "Optical Recognition of Handwritten Digits, test set (scikit-learn's load_digits)",
    "authors": "E. Alpaydin, C. Kaynak",
    "url": "https://doi.org/10.24432/C50P49",
    "licence": "CC BY 4.0",
}
CLASSES = tuple("0123456789")
CHANNELS = 3
SIDE = 32
MAX_INTENSITY = 16
HELD_OUT_FRACTION = 0.2


@dataclass(frozen=True)
class Part:
    """Some of the digits.

    images: float32 [n, 3, 32, 32], 0 (paper) to 1 (ink); the three channels are equal.
    labels: int64 [n], an index into CLASSES.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def split(self, fraction: float) -> tuple["Part", "Part"]:
        """What is left, and a fraction of every class; see `held_out_mask`."""
        apart = held_out_mask(self.images, self.labels, fraction)
        return (
            Part(self.images[~apart], self.labels[~apart]),
            Part(self.images[apart], self.labels[apart]),
        )


@dataclass(frozen=True)
class Digits:
    """The two parts, and the sha256 of the 8x8 scans (one byte a pixel) and then their labels."""

    training: Part
    held_out: Part
    sha256: str


def load() -> Digits:
    """Loads, splits and resamples the digits; needs no network."""
    raw = load_digits()
    scans = raw.images.astype(np.uint8)
    labels = raw.target.astype(np.int64)
    held_out = held_out_mask(scans, labels)
    images = to_images(scans)
    return Digits(
        training=Part(images[~held_out], labels[~held_out]),
        held_out=Part(images[held_out], labels[held_out]),
        sha256=hashlib.sha256(scans.tobytes() + labels.astype(np.uint8).tobytes()).hexdigest(),
    )


def held_out_mask(
    scans: np.ndarray, labels: np.ndarray, fraction: float = HELD_OUT_FRACTION
) -> np.ndarray:
    """Says which scans are held out: a fraction of every class, rounded.

    scans: numbers [n, ...]; labels: int [n]. Returns bool [n].

    Within a class the scans are ranked by the sha256 of their pixels and the first ones are taken:
    a scan's place hangs on nothing but the scans themselves (no seed, no order, no library
    version), and of two equal scans both fall on one side unless the border is between them.
    """
    digests = np.array([hashlib.sha256(scan.tobytes()).hexdigest() for scan in scans])
    mask = np.zeros(len(scans), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        ranked = members[np.argsort(digests[members], kind="stable")]
        mask[ranked[: round(fraction * len(members))]] = True
    return mask


def to_images(scans: np.ndarray) -> np.ndarray:
    """Turns scans (uint8 [n, height, width], 0..16) into images (float32 [n, 3, 32, 32], 0..1)."""
    gray = resample(scans.astype(np.float64) / MAX_INTENSITY, SIDE)
    return np.repeat(gray[:, np.newaxis], CHANNELS, axis=1).astype(np.float32)


def resample(images: np.ndarray, side: int) -> np.ndarray:
    """Resamples images (float [n, height, width]) to [n, side, side].

    Bilinear with half-pixel centres: the centre of output pixel i lies at (i + 1/2) * size / side
    in the input, and beyond the outermost centres the border value goes on. This is what
    torch's F.interpolate(mode="bilinear", align_corners=False) computes.
    """
    rows = _weights(images.shape[1], side)
    columns = _weights(images.shape[2], side)
    return rows @ images @ columns.T


def _weights(size: int, side: int) -> np.ndarray:
    """The matrix [side, size] whose row i has the share of every input pixel in output pixel i."""
    centres = np.clip((np.arange(side) + 0.5) * size / side - 0.5, 0, size - 1)
    lower = np.minimum(centres.astype(int), max(size - 2, 0))
    upper = np.minimum(lower + 1, size - 1)
    share = centres - lower
    matrix = np.zeros((side, size))
    # add.at, not assignment: lower and upper are the same pixel when size is 1.
    np.add.at(matrix, (np.arange(side), lower), 1 - share)
    np.add.at(matrix, (np.arange(side), upper), share)
    return matrix
