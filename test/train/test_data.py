"""The digits: resampling and the split."""

import data
import digits
import numpy as np
import pytest
import torch


@pytest.fixture(scope="module")
def dataset() -> data.Dataset:
    return digits.load()


@pytest.mark.parametrize(
    ("height", "width", "side"), [(8, 8, 32), (5, 9, 32), (32, 32, 32), (40, 33, 8), (1, 3, 4)]
)
def test_resample_is_torchs_bilinear(height: int, width: int, side: int) -> None:
    images = np.random.default_rng(0).random((3, height, width))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(images)[:, None], size=(side, side), mode="bilinear", align_corners=False
    )[:, 0]
    np.testing.assert_allclose(data.resample(images, side), expected.numpy(), atol=1e-12)


def test_images_are_plain_pixel_values(dataset: data.Dataset) -> None:
    for part in (dataset.training, dataset.held_out):
        assert part.images.dtype == np.float32
        assert part.images.shape == (len(part), 3, 32, 32)
        assert part.images.min() == 0 and part.images.max() == 1
        assert (part.images == part.images[:, :1]).all()


def test_every_digit_is_in_one_part(dataset: data.Dataset) -> None:
    assert len(dataset.training) + len(dataset.held_out) == 1797
    scans, labels = _raw()
    held_out = data.held_out_mask(scans, labels)
    np.testing.assert_array_equal(dataset.held_out.images, digits.to_images(scans[held_out]))
    np.testing.assert_array_equal(dataset.training.labels, labels[~held_out])


def test_no_held_out_scan_is_also_trained_on() -> None:
    scans, labels = _raw()
    held_out = data.held_out_mask(scans, labels)
    trained = {scan.tobytes() for scan in scans[~held_out]}
    assert not [scan for scan in scans[held_out] if scan.tobytes() in trained]


def test_the_split_is_stratified(dataset: data.Dataset) -> None:
    held_out = np.bincount(dataset.held_out.labels)
    of = held_out + np.bincount(dataset.training.labels)
    np.testing.assert_array_equal(held_out, np.round(data.HELD_OUT_FRACTION * of))


def test_the_split_hangs_on_nothing_but_the_scans(dataset: data.Dataset) -> None:
    assert digits.load().sha256 == dataset.sha256
    scans, labels = _raw()
    order = np.random.default_rng(0).permutation(len(scans))
    expected = data.held_out_mask(scans, labels)[order]
    np.testing.assert_array_equal(data.held_out_mask(scans[order], labels[order]), expected)


def _raw() -> tuple[np.ndarray, np.ndarray]:
    raw = digits.load_digits()
    return raw.images.astype(np.uint8), raw.target.astype(np.int64)
