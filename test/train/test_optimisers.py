"""Steps and learning rates, against the formulas of docs/training.md in plain NumPy."""

import math

import numpy as np
import optimisers
import pytest
import torch
from options import parse
from torch import nn

STEPS = 6
RATE = 0.1


def gradient(weights: np.ndarray) -> np.ndarray:
    """Of a quadratic bowl that is steeper one way than the other."""
    return np.array([1.0, 7.0]) * weights


def torch_path(*arguments: str) -> np.ndarray:
    """The weights after each step of the program's own optimiser."""
    options = parse(["--learning-rate", str(RATE), *arguments])
    network = nn.Linear(2, 1, bias=False).double()
    network.weight.data = torch.tensor([[3.0, -0.5]], dtype=torch.float64)
    optimiser = optimisers.optimiser_of(network, options)
    path = []
    for _ in range(STEPS):
        network.weight.grad = torch.from_numpy(gradient(network.weight.detach().numpy()))
        optimiser.step()
        path.append(network.weight.detach().numpy()[0].copy())
    return np.array(path)


def sgd_path(momentum: float, decay: float, nesterov: bool) -> np.ndarray:
    weights, velocity = np.array([3.0, -0.5]), np.zeros(2)
    path = []
    for _ in range(STEPS):
        slope = gradient(weights) + decay * weights
        velocity = momentum * velocity + slope
        weights = weights - RATE * (slope + momentum * velocity if nesterov else velocity)
        path.append(weights)
    return np.array(path)


def adamw_path(decay: float) -> np.ndarray:
    weights, mean, square = np.array([3.0, -0.5]), np.zeros(2), np.zeros(2)
    path = []
    for step in range(1, STEPS + 1):
        slope = gradient(weights)
        weights = weights - RATE * decay * weights
        mean = 0.9 * mean + 0.1 * slope
        square = 0.999 * square + 0.001 * slope**2
        corrected = np.sqrt(square / (1 - 0.999**step)) + 1e-8
        weights = weights - RATE * mean / (1 - 0.9**step) / corrected
        path.append(weights)
    return np.array(path)


@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize(
    ("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)]
)
def test_sgd(momentum: float, nesterov: bool, decay: float) -> None:
    got = torch_path(
        f"--momentum={momentum}", f"--nesterov={str(nesterov).lower()}", f"--weight-decay={decay}"
    )
    np.testing.assert_allclose(got, sgd_path(momentum, decay, nesterov), rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_adamw(decay: float) -> None:
    got = torch_path("--optimizer=adamw", f"--weight-decay={decay}")
    np.testing.assert_allclose(got, adamw_path(decay), rtol=1e-10)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--schedule=constant"], lambda step: 1.0),
        (["--schedule=cosine"], lambda step: (1 + math.cos(math.pi * step / 12)) / 2),
        (["--schedule=step", "--step-epochs=2", "--step-factor=0.5"], lambda step: 0.5 ** (step // 6)),
    ],
)
def test_schedules(arguments: list[str], expected) -> None:  # noqa: ANN001
    """Four epochs of three steps each."""
    options = parse(["--epochs=4", f"--learning-rate={RATE}", *arguments])
    optimiser = optimisers.optimiser_of(nn.Linear(1, 1), options)
    schedule = optimisers.schedule_of(optimiser, options, batches=3)
    for step in range(12):
        rate = optimiser.param_groups[0]["lr"]
        assert rate == pytest.approx(RATE * expected(step), rel=1e-9, abs=1e-12)
        optimiser.step()
        schedule.step()
