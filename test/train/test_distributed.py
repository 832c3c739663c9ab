"""Several processes give what one gives, and they exchange their gradients for it."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import REPOSITORY
from distributed import Group

# 203 images in batches of 20: the last has 3, so that of 4 processes one has none of it.
OPTIONS = ["--epochs=3", "--batch-size=20", "--l1=0.0001", "--flip=true", "--rotation=10", "--patience=9"]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def torchrun(processes: int, *command: str) -> subprocess.CompletedProcess[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes=1", f"--nproc-per-node={processes}"]
    place = ["--master-addr=127.0.0.1", f"--master-port={free_port()}"]
    path = str(REPOSITORY / "functions" / "train")
    return subprocess.run(
        [*torchrun, *place, *command],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, "GLOO_SOCKET_IFNAME": "lo"},
    )


def trained(folder: Path, processes: int, how: str = "reduced") -> list[dict[str, Any]]:
    """What each process found."""
    folder.mkdir()
    program = str(Path(__file__).with_name("fit_in_group.py"))
    result = torchrun(processes, program, str(folder), how, *OPTIONS)
    assert result.returncode == 0, result.stderr
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in range(processes)]


def distance(one: dict[str, Any], other: dict[str, Any]) -> float:
    pairs = zip(one["weights"].values(), other["weights"].values(), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    (found,) = trained(tmp_path_factory.mktemp("one") / "one", 1)
    return found


@pytest.mark.parametrize("processes", [2, 4])
def test_several_give_what_one_gives(
    alone: dict[str, Any], tmp_path: Path, processes: int
) -> None:
    found = trained(tmp_path / "ranks", processes)
    assert all(distance(found[0], other) <= 1e-6 for other in found[1:])
    assert distance(found[0], alone) < 1e-3
    for figures in ("losses", "validation_losses"):
        assert found[0][figures] == pytest.approx(alone[figures], rel=1e-3)
        assert all(other[figures] == found[0][figures] for other in found[1:])


def test_without_the_exchange_of_gradients_they_part(alone: dict[str, Any], tmp_path: Path) -> None:
    one, other = trained(tmp_path / "ranks", 2, "apart")
    assert distance(one, other) > 1e-2
    assert distance(one, alone) > 1e-2


@pytest.mark.parametrize(("processes", "rows"), [(1, 7), (2, 7), (3, 7), (4, 3)])
def test_shares_are_disjoint_and_together_the_batch(processes: int, rows: int) -> None:
    batch = torch.arange(rows)
    shares = [Group(rank, processes).share(batch).tolist() for rank in range(processes)]
    assert sorted(row for share in shares for row in share) == batch.tolist()


def test_the_program_in_two_processes(tmp_path: Path) -> None:
    program = str(REPOSITORY / "functions" / "train" / "train.py")
    model = tmp_path / "digits"
    result = torchrun(2, program, "--output", str(model), "--epochs", "6", "--min-accuracy", "0.9")
    assert result.returncode == 0, result.stderr
    assert (model / "1" / "model.onnx").is_file()
    # One of them tells what happens.
    assert result.stdout.count("epoch 1/6") == result.stdout.count("written: ") == 1


def test_a_failure_is_that_of_all(tmp_path: Path) -> None:
    program = str(REPOSITORY / "functions" / "train" / "train.py")
    diverging = ["--epochs", "2", "--learning-rate", "10", "--weight-decay", "1"]
    result = torchrun(2, program, "--output", str(tmp_path / "digits"), *diverging)
    assert result.returncode == 1
    assert "train.py: the loss is nan after epoch 1" in result.stderr
    assert list(tmp_path.iterdir()) == []
