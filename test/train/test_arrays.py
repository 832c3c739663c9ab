"""Images in an NPZ: what is read, and what is refused."""

from pathlib import Path

import arrays
import numpy as np
import pytest
from failure import TrainingFailed

SIDE = 16


def save(path: Path, **content: np.ndarray) -> Path:
    np.savez_compressed(path, **content)
    return path


def images(count: int = 20, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *(shape or (8, 8)))).astype(np.uint8)


def test_grey_images_with_names(tmp_path: Path) -> None:
    labels = np.array(["left", "right"] * 10)
    found = arrays.load(save(tmp_path / "a.npz", images=images(), labels=labels), SIDE)
    assert found.classes == ("left", "right")
    assert (len(found.training), len(found.held_out)) == (16, 4)
    assert found.training.images.shape == (16, 3, SIDE, SIDE)
    assert found.training.images.max() <= 1 and (found.training.images == found.training.images[:, :1]).all()
    assert found.source["name"] == "a.npz"


def test_colours_with_numbers(tmp_path: Path) -> None:
    labels = np.arange(20) % 2 + 7
    pixels = images(20, SIDE, SIDE, 3)
    found = arrays.load(save(tmp_path / "a.npz", images=pixels, labels=labels), SIDE)
    assert found.classes == ("7", "8")
    together = np.concatenate([found.training.images, found.held_out.images])
    expected = pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255
    np.testing.assert_allclose(
        np.sort(together.reshape(20, -1).sum(axis=1)), np.sort(expected.reshape(20, -1).sum(axis=1)), rtol=1e-5
    )


LABELS = np.arange(20) % 2


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"images": images()}, "a.npz can't be read: .*labels"),
        ({"images": images().astype(np.float32), "labels": LABELS}, "holds images float32"),
        ({"images": images(20, 8, 8, 2), "labels": LABELS}, r"holds images uint8 \[20, 8, 8, 2\]"),
        ({"images": images(), "labels": LABELS[:19]}, r"labels int64 \[19\]"),
        ({"images": images(), "labels": LABELS / 2}, "labels float64"),
        ({"images": images(20, 2, 2), "labels": LABELS}, "images of 2 x 2 pixels"),
        ({"images": images(), "labels": LABELS * 0}, "holds 1 different labels, expected 2 to 1000"),
        ({"images": images(6), "labels": LABELS[:6]}, "has 3 images that can be used"),
        ({"images": np.array([{}] * 20, dtype=object), "labels": LABELS}, "can't be read: .*allow_pickle"),
    ],
)
def test_what_is_no_data_set(tmp_path: Path, content: dict[str, np.ndarray], sentence: str) -> None:
    with pytest.raises(TrainingFailed, match=sentence):
        arrays.load(save(tmp_path / "a.npz", **content), SIDE)


def test_what_is_no_npz(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"no archive")
    with pytest.raises(TrainingFailed, match="a.npz can't be read: File is not a zip file; expected `images`"):
        arrays.load(tmp_path / "a.npz", SIDE)


def test_an_archive_that_unpacks_to_more_than_memory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "MAX_BYTES", 1_000)
    with pytest.raises(TrainingFailed, match=r"holds \d+ bytes, expected at most 1000"):
        arrays.load(save(tmp_path / "a.npz", images=images(), labels=LABELS), SIDE)
