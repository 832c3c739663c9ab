import io
import tarfile

import numpy as np
from conftest import REPOSITORY
from PIL import Image

import artifact
import digits
import evaluation
from data import Part

DIGITS_TAR = REPOSITORY / "model-artifacts" / "digits" / "evaluation.tar"


def members(content: bytes) -> dict[str, np.ndarray]:
    """The pixels of an archive's pictures by path, in its order."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {
            entry.name: np.asarray(Image.open(archive.extractfile(entry)).convert("RGB"))
            for entry in archive
        }


def test_the_archive_holds_the_images_in_256_levels_sorted_by_path() -> None:
    images = np.linspace(0, 1, 3 * 3 * 4 * 4, dtype=np.float32).reshape(3, 3, 4, 4)
    part = Part(images, np.array([1, 0, 1]))
    content = evaluation.tar(part, ("cat", "über-dog"))
    found = members(content)
    assert list(found) == ["cat/00001.png", "über-dog/00000.png", "über-dog/00002.png"]
    expected = artifact.quantise(images).transpose(0, 2, 3, 1)
    for path, index in zip(found, (1, 0, 2)):
        assert (found[path] == expected[index]).all()
    assert content == evaluation.tar(part, ("cat", "über-dog"))


def test_its_entries_are_plain_files_without_times_and_users() -> None:
    part = Part(np.zeros((1, 3, 4, 4), np.float32), np.array([0]))
    with tarfile.open(fileobj=io.BytesIO(evaluation.tar(part, ("a",)))) as archive:
        (entry,) = archive.getmembers()
    assert (entry.isreg(), entry.mtime, entry.uid, entry.gid, entry.uname, entry.mode) == (
        True, 0, 0, 0, "", 0o644
    )  # fmt: skip


def test_the_committed_archive_is_that_of_the_held_out_digits() -> None:
    dataset = digits.load()
    expected = members(evaluation.tar(dataset.held_out, dataset.classes))
    found = members(DIGITS_TAR.read_bytes())
    assert len(found) == 359
    assert list(found) == list(expected)
    assert all((found[path] == expected[path]).all() for path in found)
