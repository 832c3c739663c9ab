"""The program as a person runs it."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from conftest import REPOSITORY
from PIL import Image

PROGRAM = REPOSITORY / "functions" / "train" / "train.py"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("models") / "digits"
    result = run("--output", output)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("\nepoch ") == 20
    return output


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--epochs", "0", "an integer from 1 to 10000"),
        ("--epochs", "1.5", "an integer from 1 to 10000"),
        ("--batch-size", "65537", "an integer from 1 to 65536"),
        ("--version", "-1", "an integer from 1 to 999999999"),
        ("--version", "1000000000", "an integer from 1 to 999999999"),
        ("--learning-rate", "0", "a number above 0, at most 10"),
        ("--learning-rate", "nan", "a number above 0, at most 10"),
        ("--momentum", "1", "a number from 0 to 0.999"),
        ("--weight-decay", "inf", "a number from 0 to 1"),
        ("--seed", "4294967296", "an integer from 0 to 4294967295"),
        ("--min-accuracy", "97", "a number from 0 to 1"),
        ("--optimizer", "adam", "sgd or adamw"),
        ("--loss", "hinge", "cross-entropy or mse"),
        ("--schedule", "linear", "constant or cosine or step"),
        ("--nesterov", "yes", "true or false"),
        ("--step-factor", "0", "a number above 0, at most 1"),
        ("--l1", "-1", "a number from 0 to 1"),
        ("--dropout", "1", "a number from 0 to 0.9"),
        ("--patience", "-1", "an integer from 0 to 10000"),
        ("--validation-share", "0.6", "a number above 0, at most 0.5"),
        ("--side", "15", "an integer from 16 to 512"),
        ("--max-bad-share", "2", "a number from 0 to 1"),
        ("--width", "0", "an integer from 1 to 16"),
        ("--depth", "9", "an integer from 1 to 8"),
        ("--shift", "17", "an integer from 0 to 16"),
        ("--flip", "1", "true or false"),
        ("--rotation", "181", "a number from 0 to 180"),
        ("--folds", "21", "an integer from 0 to 20"),
        ("--folds", "1", "0 or 2 to 20"),
        ("--network", "none.py", "a file that exists"),
        ("--data", "none.npz", "a folder that exists, or an .npz file"),
        ("--name", "a/b", "1 to 128 of A-Z a-z 0-9 . _ -"),
        ("--output", "a..b", "a folder whose name is a model name"),
    ],
)
def test_a_value_out_of_range(option: str, value: str, expected: str) -> None:
    result = run(f"{option}={value}")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"train.py: {option}: got '{value}', expected {expected}")
    assert result.stderr.count("\n") == 1


def test_an_unknown_option() -> None:
    result = run("--epoch", "3")
    assert (result.returncode, result.stderr) == (
        2,
        "train.py: got '--epoch', expected options as --help lists them\n",
    )


def test_docs_training_names_options_that_exist() -> None:
    text = (REPOSITORY / "docs" / "training.md").read_text()
    named = set(re.findall(r"`?(--[a-z][a-z0-9-]*)", text.split("## On AWS")[0]))
    torchruns = {"--nproc-per-node"}
    known = torchruns | set(re.findall(r"--[a-z][a-z0-9-]*", run("--help").stdout))
    assert named - known == set()
    assert {"--data", "--loss", "--patience"} <= named


def test_options_that_do_not_go_together() -> None:
    result = run("--nesterov", "true", "--optimizer", "adamw")
    assert (result.returncode, result.stderr) == (
        2,
        "train.py: --nesterov: got 'true', expected false without sgd and a --momentum\n",
    )


def test_what_is_written(trained: Path) -> None:
    files = tree(trained)
    pictures = {f"samples/{name}.png" for name in ("zero", "two", "three", "five", "seven")}
    version = {f"1/{name}" for name in ("model.onnx", "metrics.json", "golden.json", "report.html")}
    rest = {"config.pbtxt", "labels.txt", "samples/request.json", *version}
    assert set(files) == pictures | rest
    assert files["labels.txt"].decode().split() == [str(digit) for digit in range(10)]
    config = " ".join(files["config.pbtxt"].decode().split())
    for setting in (
        'name: "digits"',
        'platform: "onnxruntime_onnx"',
        "max_batch_size: 256",
        'name: "image" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 3, 32, 32 ]',
        'name: "probabilities" data_type: TYPE_FP32 dims: [ 10 ] label_filename: "labels.txt"',
        'parameters { key: "drawing_grid" value: { string_value: "8" } }',
    ):
        assert setting in config


def test_metrics(trained: Path) -> None:
    text = (trained / "1" / "metrics.json").read_text()
    metrics = json.loads(text)
    assert metrics["accuracy"] == pytest.approx(metrics["correct"] / metrics["samples"], abs=1e-6)
    assert metrics["accuracy"] >= 0.97
    low, high = metrics["accuracy_interval_95"]
    assert low < metrics["accuracy"] < high
    confusion = np.array(metrics["confusion_matrix"])
    assert (confusion.trace(), confusion.sum()) == (metrics["correct"], metrics["samples"])
    assert len(metrics["loss_per_epoch"]) == metrics["hyper_parameters"]["epochs"] == 20
    assert metrics["data"]["licence"] == "CC BY 4.0"
    model = (trained / "1" / "model.onnx").read_bytes()
    assert metrics["model_sha256"] == hashlib.sha256(model).hexdigest()
    assert str(trained) not in text


@pytest.mark.parametrize("committed", [False, True], ids=["fresh", "committed"])
def test_the_samples_are_recognised(trained: Path, committed: bool) -> None:
    folder = REPOSITORY / "model-artifacts" / "digits" if committed else trained
    session = onnxruntime.InferenceSession(folder / "1" / "model.onnx")
    for name, label in {"zero": 0, "two": 2, "three": 3, "five": 5, "seven": 7}.items():
        picture = Image.open(folder / "samples" / f"{name}.png")
        assert (picture.size, picture.mode) == ((32, 32), "L")
        image = np.broadcast_to(np.asarray(picture, dtype=np.float32) / 255, (1, 3, 32, 32))
        assert session.run(None, {"image": image})[0].argmax() == label
    (tensor,) = json.loads((folder / "samples" / "request.json").read_text())["inputs"]
    assert (tensor["name"], tensor["datatype"], tensor["shape"]) == (
        "image",
        "FP32",
        [1, 3, 32, 32],
    )
    assert all(value == round(value, 4) for value in tensor["data"])
    image = np.array(tensor["data"], dtype=np.float32).reshape(tensor["shape"])
    probabilities = session.run(None, {"image": image})[0][0]
    assert probabilities.argmax() == 7 and probabilities[7] > 0.95


def test_the_golden_request_has_the_answer_of_the_model(trained: Path) -> None:
    golden = json.loads((trained / "1" / "golden.json").read_text())
    (image,) = golden["request"]["inputs"]
    (expected,) = golden["response"]["outputs"]
    session = onnxruntime.InferenceSession(trained / "1" / "model.onnx")
    pixels = np.array(image["data"], np.float32).reshape(image["shape"])
    (found,) = session.run([expected["name"]], {image["name"]: pixels})
    assert list(found.shape) == expected["shape"] == [1, 10]
    np.testing.assert_allclose(found.ravel(), np.array(expected["data"], np.float32), atol=1e-7)


def test_too_low_an_accuracy_leaves_the_output_as_it_was(trained: Path) -> None:
    before = tree(trained)
    result = run("--output", trained, "--epochs", 1, "--min-accuracy", 1)
    assert result.returncode == 1
    assert result.stderr.startswith("train.py: the accuracy on the held-out images is 0.")
    assert (
        "expected at least 1; nothing was written" in result.stderr
        and result.stderr.count("\n") == 1
    )
    assert tree(trained) == before


def test_too_low_an_accuracy_makes_no_output(tmp_path: Path) -> None:
    assert run("--output", tmp_path / "new", "--epochs", 1, "--min-accuracy", 1).returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_no_number_fails(tmp_path: Path) -> None:
    diverging = ["--epochs", 2, "--learning-rate", 10, "--weight-decay", 1]
    result = run("--output", tmp_path / "new", *diverging)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert result.stderr.startswith("train.py: the loss is nan after epoch 1, expected a finite number")
    assert list(tmp_path.iterdir()) == []


def test_another_models_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    result = run("--output", tmp_path, "--epochs", 1)
    assert result.returncode == 1
    assert "holds another model" in result.stderr
    assert list(tree(tmp_path)) == ["labels.txt"]


def test_a_second_version_leaves_the_first_and_the_settings(trained: Path) -> None:
    config = trained / "config.pbtxt"
    config.write_text(config.read_text() + "# a person's note\n")
    before = tree(trained)
    assert run("--output", trained, "--version", 2).returncode == 0
    after = tree(trained)
    assert {path: after[path] for path in before} == before
    # The same options give the same network.
    assert after["2/model.onnx"] == before["1/model.onnx"]


def test_a_weak_model_can_be_asked_for(tmp_path: Path) -> None:
    assert run("--output", tmp_path / "weak", "--epochs", 1, "--min-accuracy", 0).returncode == 0
    assert json.loads((tmp_path / "weak" / "1" / "metrics.json").read_text())["accuracy"] < 0.97
    assert 'name: "weak"' in (tmp_path / "weak" / "config.pbtxt").read_text()


def test_an_output_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("--output", tmp_path / "file" / "digits", "--epochs", 1, "--min-accuracy", 0)
    assert result.returncode == 1
    assert (
        result.stderr == f"train.py: can't write {tmp_path / 'file' / 'digits'}: Not a directory\n"
    )
