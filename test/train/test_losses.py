"""Losses and penalties, against plain NumPy."""

import losses
import numpy as np
import pytest
import torch
from torch import nn

LOGITS = np.random.default_rng(0).normal(scale=3, size=(7, 4))
LABELS = np.array([0, 3, 1, 1, 2, 0, 3])


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def expected(name: str, logits: np.ndarray) -> float:
    probabilities = softmax(logits)
    if name == "cross-entropy":
        return float(-np.log(probabilities[np.arange(len(LABELS)), LABELS]).mean())
    return float(((probabilities - np.eye(4)[LABELS]) ** 2).mean())


@pytest.mark.parametrize("name", losses.LOSSES)
def test_the_loss_is_the_formula(name: str) -> None:
    got = losses.LOSSES[name](torch.from_numpy(LOGITS), torch.from_numpy(LABELS))
    assert got.item() == pytest.approx(expected(name, LOGITS), rel=1e-12)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_its_gradient_is_that_of_the_formula(name: str) -> None:
    logits = torch.from_numpy(LOGITS.copy()).requires_grad_()
    losses.LOSSES[name](logits, torch.from_numpy(LABELS)).backward()
    step = 1e-6
    for place in np.ndindex(LOGITS.shape):
        shifted = np.zeros_like(LOGITS)
        shifted[place] = step
        slope = (expected(name, LOGITS + shifted) - expected(name, LOGITS - shifted)) / (2 * step)
        assert logits.grad[place].item() == pytest.approx(slope, abs=1e-8)


def test_l1_is_the_sum_of_absolute_weights_without_biases() -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))
    weights = [network[0].weight, network[2].weight]
    by_hand = sum(float(np.abs(weight.detach().numpy()).sum()) for weight in weights)
    assert losses.l1_penalty(network).item() == pytest.approx(by_hand, rel=1e-6)
    losses.l1_penalty(network).backward()
    np.testing.assert_array_equal(network[0].weight.grad, np.sign(network[0].weight.detach().numpy()))
    assert network[0].bias.grad is None
