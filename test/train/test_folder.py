"""Images of one's own: what is read, what is left out by name, and what ends the run."""

import hashlib
import json
from pathlib import Path

import folder
import numpy as np
import onnxruntime
import pytest
from failure import TrainingFailed
from PIL import Image
from test_train import run, tree

SIDE = 24


def image(path: Path, colour: tuple[int, int, int], seed: int, size: int = SIDE) -> None:
    """Noise around a colour."""
    noise = np.random.default_rng(seed).integers(-20, 21, (size, size, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(noise + colour, 0, 255).astype(np.uint8)).save(path)


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    data = tmp_path / "colours"
    for number in range(20):
        image(data / "red" / f"{number}.png", (200, 40, 40), number)
        image(data / "green" / f"{number}.jpg", (40, 200, 40), 100 + number)
        image(data / "blue" / f"{number}.jpeg", (40, 40, 200), 200 + number, size=40)
    return data


def test_classes_parts_and_colours(colours: Path) -> None:
    dataset = folder.load(colours, SIDE, 0.05)
    assert dataset.classes == ("blue", "green", "red")
    assert (len(dataset.training), len(dataset.held_out)) == (48, 12)
    assert dataset.training.images.shape == (48, 3, SIDE, SIDE)
    for label, channel in enumerate((2, 1, 0)):
        means = dataset.training.images[dataset.training.labels == label].mean(axis=(0, 2, 3))
        assert means.argmax() == channel and means.max() == pytest.approx(200 / 255, abs=0.02)
    assert folder.load(colours, SIDE, 0.05).sha256 == dataset.sha256
    (colours / "red" / "0.png").unlink()
    assert folder.load(colours, SIDE, 0.05).sha256 != dataset.sha256


def test_what_can_not_be_used_is_left_out_by_name(
    colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (colours / "red" / "broken.png").write_bytes(b"no image")
    (colours / "red" / "notes.txt").write_text("no image")
    (colours / "readme.md").write_text("no image")
    (colours / "red" / "twice.png").write_bytes((colours / "red" / "3.png").read_bytes())
    (colours / "green" / "red.png").write_bytes((colours / "red" / "4.png").read_bytes())
    image(colours / "red" / "tiny.png", (200, 40, 40), 1, size=2)
    (colours / ".hidden").mkdir()
    dataset = folder.load(colours, SIDE, 0.5)
    lines = capsys.readouterr().err.splitlines()
    for sentence in (
        "red/broken.png, which can't be read as an image",
        "red/notes.txt, which is no .png or .jpg",
        "readme.md, which is in no class",
        "red/twice.png, which equals red/3.png",
        "green/red.png, which is in the classes green and red",
        "red/4.png, which is in the classes green and red",
        "red/tiny.png, which has 2 x 2 pixels",
    ):
        assert f"train.py: left out: {sentence}" in lines
    assert dataset.source["files_left_out"] == len(lines) == 7
    assert len(dataset.training) + len(dataset.held_out) == 59
    with pytest.raises(TrainingFailed, match=r"7 of 66 files .* expected at most 5%"):
        folder.load(colours, SIDE, 0.05)


def write_manifest(folder: Path, files: list[Path], **changed: str) -> Path:
    entries = [
        {
            "path": str(file.relative_to(folder)),
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            **changed,
        }
        for file in files
    ]
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({"files": entries}))
    return manifest


def test_a_manifest_says_exactly_what_is_used(colours: Path) -> None:
    chosen = [colours / name / f"{i}.{kind}" for i in range(8) for name, kind in
              (("red", "png"), ("green", "jpg"))]  # fmt: skip
    manifest = write_manifest(colours, chosen)
    dataset = folder.load(colours, SIDE, 0)
    assert dataset.classes == ("green", "red")
    assert len(dataset.training) + len(dataset.held_out) == 16
    assert dataset.source["manifest_sha256"] == hashlib.sha256(manifest.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"sha256": "0" * 64}, r"red/0.png has the sha256 [0-9a-f]{64}, expected 0{64} as manifest.json says"),
        ({"path": "red/none.png"}, "manifest.json names red/none.png, which is not there"),
        ({"path": "../red/0.png"}, "manifest.json names the file ../red/0.png, expected"),
        ({"path": "/etc/passwd"}, "manifest.json names the file /etc/passwd, expected"),
        ({"path": "0.png"}, "manifest.json names the file 0.png, expected"),
    ],
)
def test_a_file_that_is_not_what_the_manifest_says(
    colours: Path, changed: dict[str, str], sentence: str
) -> None:
    write_manifest(colours, [colours / "green" / "0.jpg"])
    entries = json.loads((colours / "manifest.json").read_text())["files"]
    write_manifest(colours, [colours / "red" / "0.png"], **changed)
    entries += json.loads((colours / "manifest.json").read_text())["files"]
    (colours / "manifest.json").write_text(json.dumps({"files": entries}))
    with pytest.raises(TrainingFailed, match=sentence):
        folder.load(colours, SIDE, 0)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"files": 1}', '{"files": [{"path": "a/b"}]}', '{"files": [{"path": 1, "sha256": 2}]}']
)
def test_what_is_no_manifest(colours: Path, text: str) -> None:
    (colours / "manifest.json").write_text(text)
    with pytest.raises(TrainingFailed, match="manifest.json is not understood, expected"):
        folder.load(colours, SIDE, 0)


@pytest.mark.parametrize(
    ("classes", "images", "sentence"),
    [
        (0, 0, "holds 0 folders of images, expected 2 to 1000 classes"),
        (1, 9, "holds 1 folders of images, expected 2 to 1000 classes"),
        (2, 4, "class a has 4 images that can be used, expected at least 5"),
        (2, 0, "class a has 0 images"),
    ],
)
def test_too_little_ends_the_run(
    tmp_path: Path, classes: int, images: int, sentence: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for label in range(classes):
        (data / "abc"[label]).mkdir()
        for number in range(images):
            image(data / "abc"[label] / f"{number}.png", (9, 9, 9), 100 * label + number)
    with pytest.raises(TrainingFailed, match=sentence):
        folder.load(data, SIDE, 0.05)
    result = run("--data", data, "--output", tmp_path / "model")
    assert result.returncode == 1
    assert sentence in result.stderr and result.stderr.endswith("; nothing was written\n")
    assert not (tmp_path / "model").exists()


def test_a_run(colours: Path, tmp_path: Path) -> None:
    output = tmp_path / "colours-model"
    result = run("--data", colours, "--output", output, "--side", SIDE, "--epochs", 6)
    assert (result.returncode, result.stderr) == (0, "")
    files = tree(output)
    assert files["labels.txt"] == b"blue\ngreen\nred\n"
    assert b"dims: [ 3, 24, 24 ]" in files["config.pbtxt"]
    metrics = json.loads(files["1/metrics.json"])
    assert metrics["accuracy"] == 1 and metrics["data"]["name"] == "colours"
    assert str(tmp_path) not in files["1/metrics.json"].decode()
    session = onnxruntime.InferenceSession(output / "1" / "model.onnx")
    for label, name in enumerate(("blue", "green", "red")):
        picture = Image.open(output / "samples" / f"{name}.png")
        assert (picture.size, picture.mode) == ((SIDE, SIDE), "RGB")
        pixels = np.asarray(picture, dtype=np.float32).transpose(2, 0, 1)[None] / 255
        assert session.run(None, {"image": pixels})[0].argmax() == label


def test_no_folder(tmp_path: Path) -> None:
    result = run("--data", tmp_path / "none")
    assert result.returncode == 2
    assert "--data: got" in result.stderr and "expected a folder that exists" in result.stderr
