"""A network of the user's own, in a file."""

import json
from pathlib import Path

import pytest
import torch
from failure import TrainingFailed
from network import own_network
from test_folder import SIDE, colours  # noqa: F401
from test_train import run

OWN = """
from torch import nn

class Network(nn.Sequential):
    def __init__(self, classes, side):
        super().__init__(
            nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(4, classes),
        )
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "own.py"
    file.write_text(text)
    return file


def test_it_is_made_and_tried(tmp_path: Path) -> None:
    network = own_network(written(tmp_path, OWN), 3, 20)
    assert network.training
    assert network(torch.zeros(5, 3, 20, 20)).shape == (5, 3)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Netwrok = 1", "own.py: AttributeError: .*expected a class Network"),
        ("import nothing_like_it", "own.py: ModuleNotFoundError: "),
        ("def Network(classes, side): return 1", "own.py: TypeError: Network is no torch.nn.Module"),
        (OWN.replace("Conv2d(3,", "Conv2d(1,"), "own.py: RuntimeError: "),
        (OWN.replace("Linear(4, classes)", "Linear(4, 7)"), r"two images give \[2, 7\], expected logits \[2, 3\]"),
    ],
)
def test_what_is_wrong_with_it_is_said(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(TrainingFailed, match=sentence):
        own_network(written(tmp_path, text), 3, 20)


def test_a_run(colours: Path, tmp_path: Path) -> None:  # noqa: F811
    own = written(tmp_path, OWN)
    options = ["--data", colours, "--side", SIDE, "--epochs", 4, "--learning-rate", 0.1]
    result = run(*options, "--network", own, "--output", tmp_path / "own")
    assert (result.returncode, result.stderr) == (0, "")
    plain = run(*options, "--output", tmp_path / "plain")
    assert (plain.returncode, plain.stderr) == (0, "")
    sizes = [(tmp_path / name / "1" / "model.onnx").stat().st_size for name in ("own", "plain")]
    assert sizes[0] < sizes[1] / 2
    codes = [
        json.loads((tmp_path / name / "1" / "metrics.json").read_text())["code_sha256"]
        for name in ("own", "plain")
    ]
    assert codes[0] != codes[1]
