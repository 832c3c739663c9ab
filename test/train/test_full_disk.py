"""A disk that is full: a sentence, and nothing half-written."""

import subprocess
import sys
from pathlib import Path

import pytest
from test_train import PROGRAM

# A namespace of its own holds the mount: it ends with the process.
SCRIPT = 'mount -t tmpfs -o size="$1" none "$2" && shift 2 && "$@"; code=$?; find "$FULL" -type f; exit $code'
PRIVATE = ["unshare", "--mount", "--map-root-user", "sh", "-c"]


def on_a_disk_of(size: str, folder: Path, *options: object) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    command = [sys.executable, str(PROGRAM), *map(str, options)]
    return subprocess.run(
        [*PRIVATE, SCRIPT, "sh", size, str(folder), *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"FULL": str(folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )


# Other systems have no such namespaces; there the program meets a full disk in the same way.
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="a disk of its own needs Linux' namespaces")


@LINUX
def test_the_model_does_not_fit(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    result = on_a_disk_of("64k", disk, "--output", disk / "digits", "--epochs", 1, "--min-accuracy", 0)
    assert result.returncode == 1
    assert result.stderr == "train.py: can't write: No space left on device\n"
    assert result.stdout.endswith("\n") and str(disk) not in result.stdout


@LINUX
def test_a_checkpoint_does_not_fit(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    result = on_a_disk_of(
        "64k", disk, "--output", tmp_path / "digits", "--checkpoints", disk / "kept", "--epochs", 2
    )
    assert result.returncode == 1
    assert result.stderr == "train.py: can't write: No space left on device\n"
    assert not (tmp_path / "digits").exists()
