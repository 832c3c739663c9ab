"""Images of one's own in one file: an NPZ with the arrays `images` and `labels`, as numpy.savez writes it."""

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from data import CHANNELS, MAX_CLASSES, MIN_CLASSES, MIN_SIDE, Dataset, check_counts, dataset_of, resample
from failure import TrainingFailed

SUFFIX = ".npz"
# Of an NPZ's arrays; a compressed one may be a thousand times smaller than what it holds.
MAX_BYTES = 16 * 1024**3
EXPECTED = (
    "expected `images` uint8 [n, rows, columns] or [n, rows, columns, 3] and `labels` [n], numbers or "
    "texts"
)


def load(file: Path, side: int) -> Dataset:
    """Reads, checks, resamples and splits the images of an NPZ.

    side: of the network's input. The classes are the different labels, sorted; the sha256 is of the
    file. Raises TrainingFailed.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_BYTES:
            raise TrainingFailed(f"{file.name} holds {size} bytes, expected at most {MAX_BYTES}")
        # Without pickles, which could run code.
        with np.load(file, allow_pickle=False) as arrays:
            images, labels = arrays["images"], arrays["labels"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise TrainingFailed(f"{file.name} can't be read: {error}; {EXPECTED}") from error
    images = images[..., np.newaxis] if images.ndim == 3 else images
    fits = images.ndim == 4 and images.dtype == np.uint8 and images.shape[3] in (1, CHANNELS)
    if not fits or labels.shape != images.shape[:1] or labels.dtype.kind not in "iuU":
        raise TrainingFailed(
            f"{file.name} holds images {images.dtype} {list(images.shape)} and labels {labels.dtype} "
            f"{list(labels.shape)}; {EXPECTED}"
        )
    if min(images.shape[1:3]) < MIN_SIDE:
        raise TrainingFailed(
            f"{file.name} holds images of {images.shape[2]} x {images.shape[1]} pixels, expected "
            f"{MIN_SIDE} or more each way"
        )
    names, indices = np.unique(labels, return_inverse=True)
    if not MIN_CLASSES <= len(names) <= MAX_CLASSES:
        raise TrainingFailed(
            f"{file.name} holds {len(names)} different labels, expected {MIN_CLASSES} to {MAX_CLASSES}"
        )
    classes = tuple(str(name) for name in names)
    check_counts(classes, indices)
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return dataset_of(
        _resampled(images, side),
        indices.astype(np.int64),
        classes,
        digest,
        {"name": file.name, "files": 1, "files_left_out": 0},
    )


def _resampled(images: np.ndarray, side: int) -> np.ndarray:
    """float32 [n, 3, side, side], 0..1; one image at a time, as float64 takes eight times the memory."""
    result = np.empty((len(images), CHANNELS, side, side), np.float32)
    for into, image in zip(result, images):
        into[:] = resample(image.transpose(2, 0, 1) / 255, side)
    return result
