"""Labelled images, in a training and a held-out part."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from failure import TrainingFailed

CHANNELS = 3
# Pixels each way: smaller ones are icons, or broken.
MIN_SIDE = 4
MIN_CLASSES = 2
MAX_CLASSES = 1_000
# Of each class at least one image is held out, and several are left.
MIN_IMAGES = 5
MAX_PICTURES = 10
HELD_OUT_FRACTION = 0.2


@dataclass(frozen=True)
class Part:
    """Some of the images.

    images: float32 [n, 3, side, side], 0 to 1.
    labels: int64 [n], an index into the classes.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def split(self, fraction: float) -> tuple["Part", "Part"]:
        """What is left, and a fraction of every class; see `held_out_mask`."""
        return self._apart(held_out_mask(self.images, self.labels, fraction))

    def folds(self, count: int) -> Iterator[tuple["Part", "Part"]]:
        """For each of `count` folds: all the others, and the fold; every class is spread over all."""
        numbers = ranks(self.images, self.labels) % count
        for number in range(count):
            yield self._apart(numbers == number)

    def _apart(self, apart: np.ndarray) -> tuple["Part", "Part"]:
        return (
            Part(self.images[~apart], self.labels[~apart]),
            Part(self.images[apart], self.labels[apart]),
        )


@dataclass(frozen=True)
class Dataset:
    """What a network is trained and checked on.

    classes: their names, in the order of the network's outputs. sha256: of all that the parts were
    made from. description: one line, of what the model takes and gives. pictures: of which classes
    a picture is kept to try the model with, by file name; request: of which class a request is.
    scan_side: pixels each way that the pictures had before they were resampled, where that is fewer
    than the network takes. source: what there is to say of the data, for metrics.json.
    """

    training: Part
    held_out: Part
    classes: tuple[str, ...]
    sha256: str
    description: str
    pictures: dict[str, int]
    request: int
    scan_side: int | None = None
    source: dict[str, Any] = field(default_factory=dict)


def held_out_mask(
    scans: np.ndarray, labels: np.ndarray, fraction: float = HELD_OUT_FRACTION
) -> np.ndarray:
    """Says which scans are held out: a fraction of every class, rounded.

    scans: numbers [n, ...]; labels: int [n]. Returns bool [n].

    The first ones by `ranks`; of two equal scans both fall on one side unless the border is between
    them.
    """
    counts = np.bincount(labels)
    taken = np.array([round(fraction * count) for count in counts.tolist()])
    return ranks(scans, labels) < taken[labels]


def ranks(scans: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The place of each scan in its class (int [n], from 0), by the sha256 of its pixels.

    It hangs on nothing but the scans themselves: no seed, no order, no library version.
    """
    digests = np.array([hashlib.sha256(scan.tobytes()).hexdigest() for scan in scans])
    places = np.zeros(len(scans), dtype=np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        places[members[np.argsort(digests[members], kind="stable")]] = np.arange(len(members))
    return places


def check_counts(classes: tuple[str, ...], labels: np.ndarray) -> None:
    """Raises TrainingFailed where too few images of a class (labels: int64 [n]) can be used."""
    counts = np.bincount(labels, minlength=len(classes))
    few = int(counts.argmin())
    if counts[few] < MIN_IMAGES:
        raise TrainingFailed(
            f"class {classes[few]} has {counts[few]} images that can be used, expected at least "
            f"{MIN_IMAGES}"
        )


def dataset_of(
    images: np.ndarray,
    labels: np.ndarray,
    classes: tuple[str, ...],
    sha256: str,
    source: dict[str, Any],
) -> Dataset:
    """A user's images (float32 [n, 3, side, side], 0..1) with a fifth of each class held out."""
    held_out = held_out_mask(images, labels)
    return Dataset(
        training=Part(images[~held_out], labels[~held_out]),
        held_out=Part(images[held_out], labels[held_out]),
        classes=classes,
        sha256=sha256,
        description="Images: colours 0..1 to the probability of each class.",
        pictures={name: label for label, name in enumerate(classes[:MAX_PICTURES])},
        request=0,
        source=source,
    )


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
