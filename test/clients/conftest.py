"""The running server, and the same models in Python's own ONNX Runtime to compare with."""

import os
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
import pytest


@pytest.fixture(scope="session")
def address() -> str:
    """host:port of the server under test, as tritonclient wants it."""
    return os.environ["SERVER_ADDRESS"]


@pytest.fixture(scope="session")
def explicit_address() -> str:
    """The same for a server of the same models with MODEL_CONTROL=explicit."""
    return os.environ["EXPLICIT_SERVER_ADDRESS"]


@pytest.fixture(scope="session")
def reference():
    """reference(model, feeds) computes every output of a test model with Python's ONNX Runtime."""
    repository = Path(os.environ["MODEL_REPOSITORY"])
    sessions = {}

    def compute(model: str, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if model not in sessions:
            path = repository / model / "1" / "model.onnx"
            sessions[model] = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        session = sessions[model]
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, feeds), strict=True))

    return compute
