"""A run that is ended goes on to the very weights of one that was not."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import data
import digits
import pytest
import torch
from checkpoint import Checkpoint
from failure import TrainingFailed
from fit import Fitted, fit
from interrupt import Interrupted
from options import parse
from test_train import PROGRAM, run, tree

NEVER = 10**9
OPTIONS = ["--epochs=4", "--batch-size=16", "--dropout=0.3", "--patience=9", "--schedule=step", "--flip=true"]


class Told:
    """An interrupt that comes while a certain epoch and batch is computed."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    @property
    def number(self) -> int | None:
        self.looks -= 1
        return signal.SIGTERM if self.looks < 0 else None

    def deferred(self) -> "Told":
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def part() -> data.Part:
    training = digits.load().training
    return data.Part(training.images[:200], training.labels[:200])


def train(part: data.Part, optimiser: str, folder: Path, looks: int) -> Fitted:
    checkpoint = Checkpoint(folder / "run.pt", "identity")
    options = parse([*OPTIONS, f"--optimizer={optimiser}"])
    return fit(part, 10, options, checkpoint=checkpoint, interrupt=Told(looks))


# Batches an epoch: 12. In the first one, between two of them, after the last, and again and again.
@pytest.mark.parametrize(
    ("optimiser", "looks"),
    [("sgd", [0]), ("sgd", [11]), ("sgd", [12]), ("sgd", [5, 5, 5, 20]), ("adamw", [7]), ("adamw", [30])],
)
def test_the_weights_are_those_of_an_uninterrupted_run(
    part: data.Part, tmp_path: Path, optimiser: str, looks: list[int]
) -> None:
    whole = train(part, optimiser, tmp_path / "whole", NEVER)
    for count in looks:
        with pytest.raises(Interrupted) as ended:
            train(part, optimiser, tmp_path / "parts", count)
        assert ended.value.at is not None
    parts = train(part, optimiser, tmp_path / "parts", NEVER)
    for name, expected in whole.network.state_dict().items():
        torch.testing.assert_close(parts.network.state_dict()[name], expected, atol=1e-6, rtol=0)
    assert parts.losses == pytest.approx(whole.losses)
    assert parts.validation_losses == pytest.approx(whole.validation_losses)
    assert parts.validation_accuracies == whole.validation_accuracies


def test_another_runs_checkpoint_is_refused(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "run.pt", "one").save({"epoch": 1})
    assert Checkpoint(tmp_path / "run.pt", "one").load() == {"epoch": 1}
    with pytest.raises(TrainingFailed, match="is the checkpoint of a run with other data, options"):
        Checkpoint(tmp_path / "run.pt", "two").load()


def test_a_checkpoint_can_not_run_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (open, (str(tmp_path / "written"), "w"))

    torch.save({"identity": "one", "state": Evil()}, tmp_path / "run.pt")
    with pytest.raises(TrainingFailed, match="can't be read as a checkpoint"):
        Checkpoint(tmp_path / "run.pt", "one").load()
    assert not (tmp_path / "written").exists()
    (tmp_path / "run.pt").write_bytes(b"half a file")
    with pytest.raises(TrainingFailed, match="can't be read as a checkpoint"):
        Checkpoint(tmp_path / "run.pt", "one").load()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_told_to_end_leaves_a_checkpoint(tmp_path: Path, number: int) -> None:
    command = ["--output", tmp_path / "model", "--checkpoints", tmp_path / "kept", "--epochs", 40]
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while not process.stdout.readline().startswith("epoch 2/"):
        assert process.poll() is None
    process.send_signal(number)
    told = time.monotonic()
    _, errors = process.communicate(timeout=110)
    # SageMaker kills after 120 s.
    assert time.monotonic() - told < 110
    assert process.returncode == 128 + number
    assert errors.startswith("train.py: interrupted; in epoch ")
    assert errors.endswith("; the same command goes on there\n")
    assert not (tmp_path / "model").exists()

    again = run(*command)
    assert again.returncode == 0, again.stderr
    assert "goes on after" in again.stdout and "\nepoch 1/" not in again.stdout
    whole = run(*command[:1], tmp_path / "whole" / "model", *command[4:])
    assert whole.returncode == 0, whole.stderr
    assert tree(tmp_path / "model")["1/model.onnx"] == tree(tmp_path / "whole" / "model")["1/model.onnx"]


def test_without_checkpoints_it_ends_at_once(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), "--output", str(tmp_path / "model"), "--epochs", "1000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while not process.stdout.readline().startswith("epoch 1/"):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=110)
    assert (process.returncode, errors) == (143, "train.py: interrupted; nothing was written\n")
    assert list(tmp_path.iterdir()) == []
