"""Images moved, mirrored and turned: what each does, and that chance is the same however many compute."""

import math

import pytest
import torch
from augmentation import augmented, moved, turned
from options import Options, parse

IMAGES = torch.arange(4 * 3 * 6 * 6, dtype=torch.float32).reshape(4, 3, 6, 6)


def options(*arguments: str) -> Options:
    return parse(list(arguments))


def chances() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_moved() -> None:
    assert torch.equal(moved(IMAGES, 2, 2, 2), IMAGES)
    down = moved(IMAGES, 2, 1, 2)
    assert torch.equal(down[:, :, 1:], IMAGES[:, :, :-1])
    assert torch.equal(down[:, :, 0], IMAGES[:, :, 0])
    left = moved(IMAGES, 2, 2, 3)
    assert torch.equal(left[..., :-1], IMAGES[..., 1:])


@pytest.mark.parametrize(("quarters", "angle"), [(0, 0), (1, 90), (2, 180)])
def test_turned(quarters: int, angle: int) -> None:
    angles = torch.full((4,), math.radians(angle))
    # rot90 turns counter-clockwise where rows go down.
    expected = torch.rot90(IMAGES, -quarters, (2, 3))
    torch.testing.assert_close(turned(IMAGES, angles), expected, atol=1e-3, rtol=0)


def test_half_are_mirrored() -> None:
    many = IMAGES[:1].repeat(1_000, 1, 1, 1)
    found = augmented(
        many, torch.arange(1_000), 1_000, chances(), options("--flip=true", "--shift=0")
    )
    mirrored = (found == IMAGES[0].flip(2)).flatten(1).all(1)
    same = (found == IMAGES[0]).flatten(1).all(1)
    assert bool((mirrored ^ same).all())
    assert 400 < int(mirrored.sum()) < 600


def test_without_options_nothing_changes() -> None:
    plain = options("--shift=0")
    assert torch.equal(augmented(IMAGES, torch.arange(4), 4, chances(), plain), IMAGES)


def test_a_share_of_a_batch_is_changed_as_in_the_whole_batch() -> None:
    chosen = options("--flip=true", "--rotation=30", "--shift=2")
    whole = augmented(IMAGES, torch.arange(4), 4, chances(), chosen)
    for rank in (0, 1):
        rows = torch.arange(4)[rank::2]
        share = augmented(IMAGES[rows], rows, 4, chances(), chosen)
        torch.testing.assert_close(share, whole[rows])
