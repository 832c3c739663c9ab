"""The state of a training run, kept so that a run which was ended goes on where it was."""

import io
import os
from pathlib import Path
from typing import Any

import torch

from failure import TrainingFailed


class Checkpoint:
    """One file. `identity` is all that decides the run's result: another run's state is refused."""

    def __init__(self, path: Path, identity: str) -> None:
        self.path = path
        self.identity = identity

    def load(self) -> dict[str, Any] | None:
        """The state that was saved last; None where there is none. Raises TrainingFailed."""
        if not self.path.exists():
            return None
        try:
            # Only tensors and plain values: a checkpoint can't run code.
            found = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise TrainingFailed(f"{self.path} can't be read as a checkpoint; remove it") from error
        if found["identity"] != self.identity:
            raise TrainingFailed(
                f"{self.path} is the checkpoint of a run with other data, options or processes; "
                "expected an empty folder"
            )
        return found["state"]

    def save(self, state: dict[str, Any]) -> None:
        """Replaces the state, whole or not at all. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".unfinished")
        # By way of memory: torch's own writer turns an OSError into one that does not say what was wrong.
        content = io.BytesIO()
        torch.save({"identity": self.identity, "state": state}, content)
        with unfinished.open("wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, self.path)
