"""Images of one's own: a folder `<class>/<file>.png` or `.jpg`, perhaps with a list of them."""

import hashlib
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError

from data import CHANNELS, MAX_CLASSES, MIN_CLASSES, MIN_SIDE, Dataset, check_counts, dataset_of, resample
from failure import TrainingFailed

SUFFIXES = {".png", ".jpg", ".jpeg"}
MAX_PIXELS = 50_000_000
SHOWN = 10
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class _File:
    path: str
    label: int
    content: bytes


def load(folder: Path, side: int, max_bad_share: float) -> Dataset:
    """Reads, checks, resamples and splits the images of a folder.

    side: of the network's input, to which every image is resampled. max_bad_share: 0..1, of the
    files. The sha256 is of the paths and contents that are used.

    With a manifest.json, `{"files": [{"path": "<class>/<file>", "sha256": …}, …]}`, exactly those
    files are read, and each has to have its sha256.

    What is wrong with a file is said by name on stderr, and it is left out. Raises TrainingFailed
    when that is more than max_bad_share, where too few classes or images are left, or where a file
    is not what the manifest says.
    """
    manifest = folder / MANIFEST
    listed = _listed(manifest) if manifest.is_file() else None
    classes, files, problems = _files(folder) if listed is None else _named(folder, listed)
    total = len(files) + len(problems)
    files = _without_doubles(files, classes, problems)
    images, kept = _decoded(files, side, problems)
    for problem in problems[:SHOWN]:
        print(f"train.py: left out: {problem}", file=sys.stderr)
    if len(problems) > SHOWN:
        print(f"train.py: left out: {len(problems) - SHOWN} more", file=sys.stderr)
    if len(problems) > max_bad_share * total:
        raise TrainingFailed(
            f"{len(problems)} of {total} files of the data can't be used, the first as "
            f"{problems[0]}; expected at most {max_bad_share:.0%}"
        )
    labels = np.array([file.label for file in kept], dtype=np.int64)
    check_counts(classes, labels)
    digest = hashlib.sha256()
    for file in kept:
        digest.update(f"{file.path}\n{hashlib.sha256(file.content).hexdigest()}\n".encode())
    source = {"name": folder.name, "files": total, "files_left_out": len(problems)}
    if listed is not None:
        source["manifest_sha256"] = hashlib.sha256(manifest.read_bytes()).hexdigest()
    return dataset_of(images, labels, classes, digest.hexdigest(), source)


def _listed(manifest: Path) -> dict[str, str]:
    """The sha256 of each file that a manifest names, by path."""
    expected = f'expected {{"files": [{{"path": "<class>/<file>", "sha256": "…"}}, …]}}'
    try:
        entries = json.loads(manifest.read_bytes())["files"]
        listed = {entry["path"]: entry["sha256"] for entry in entries}
        paths = [PurePosixPath(path) for path in listed]
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingFailed(f"{MANIFEST} is not understood, {expected}") from error
    for path in paths:
        if len(path.parts) != 2 or ".." in path.parts or path.is_absolute():
            raise TrainingFailed(f"{MANIFEST} names the file {path}, {expected}")
    if len(listed) != len(entries):
        raise TrainingFailed(f"{MANIFEST} names a file twice, {expected}")
    return listed


def _named(
    folder: Path, listed: dict[str, str]
) -> tuple[tuple[str, ...], list[_File], list[str]]:
    """What a manifest names, each with the content that it promises."""
    classes = _checked_classes(folder, sorted({path.split("/")[0] for path in listed}))
    files: list[_File] = []
    problems: list[str] = []
    for path, sha256 in sorted(listed.items()):
        name = path.split("/")[0]
        if not (folder / path).is_file():
            raise TrainingFailed(f"{MANIFEST} names {path}, which is not there")
        content = (folder / path).read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise TrainingFailed(f"{path} has the sha256 {found}, expected {sha256} as {MANIFEST} says")
        if Path(path).suffix.lower() not in SUFFIXES:
            problems.append(f"{path}, which is no .png or .jpg")
        else:
            files.append(_File(path, classes.index(name), content))
    return classes, files, problems


def _checked_classes(folder: Path, names: list[str]) -> tuple[str, ...]:
    if not MIN_CLASSES <= len(names) <= MAX_CLASSES:
        raise TrainingFailed(
            f"{folder} holds {len(names)} folders of images, expected {MIN_CLASSES} to "
            f"{MAX_CLASSES} classes: <class>/<file>.png or .jpg"
        )
    return tuple(names)


def _files(folder: Path) -> tuple[tuple[str, ...], list[_File], list[str]]:
    """The classes, what their folders hold, and what is wrong with that; hidden names are none."""
    visible = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    classes = _checked_classes(folder, [entry.name for entry in visible if entry.is_dir()])
    files: list[_File] = []
    problems = [f"{entry.name}, which is in no class" for entry in visible if entry.is_file()]
    for label, name in enumerate(classes):
        for path in sorted((folder / name).iterdir()):
            if path.name.startswith("."):
                continue
            if path.suffix.lower() not in SUFFIXES or not path.is_file():
                problems.append(f"{name}/{path.name}, which is no .png or .jpg")
            else:
                files.append(_File(f"{name}/{path.name}", label, path.read_bytes()))
    return classes, files, problems


def _without_doubles(
    files: list[_File], classes: tuple[str, ...], problems: list[str]
) -> list[_File]:
    """The first of equal files of one class; none of those that are in several classes."""
    by_content: dict[bytes, list[_File]] = {}
    for file in files:
        by_content.setdefault(hashlib.sha256(file.content).digest(), []).append(file)
    kept: list[_File] = []
    for same in by_content.values():
        labels = sorted({file.label for file in same})
        if len(labels) > 1:
            names = " and ".join(classes[label] for label in labels)
            problems.extend(f"{file.path}, which is in the classes {names}" for file in same)
            continue
        kept.append(same[0])
        problems.extend(f"{file.path}, which equals {same[0].path}" for file in same[1:])
    return kept


def _decoded(
    files: list[_File], side: int, problems: list[str]
) -> tuple[np.ndarray, list[_File]]:
    """float32 [n, 3, side, side], 0..1, of the files that are images of a fitting size."""
    images: list[np.ndarray] = []
    kept: list[_File] = []
    for file in files:
        try:
            with Image.open(io.BytesIO(file.content)) as image:
                width, height = image.size
                if min(width, height) < MIN_SIDE or width * height > MAX_PIXELS:
                    problems.append(f"{file.path}, which has {width} x {height} pixels")
                    continue
                pixels = np.asarray(image.convert("RGB"), dtype=np.float64) / 255
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError):
            problems.append(f"{file.path}, which can't be read as an image")
            continue
        images.append(resample(pixels.transpose(2, 0, 1), side).astype(np.float32))
        kept.append(file)
    shape = (0, CHANNELS, side, side)
    return (np.stack(images) if images else np.zeros(shape, np.float32)), kept
