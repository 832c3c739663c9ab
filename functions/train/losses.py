"""What training makes small: a loss of the predictions, and perhaps a penalty on the weights.

docs/training.md has the formulas.
"""

from collections.abc import Callable

import torch
from torch import nn

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean over the samples of -log p(label), in nats.

    logits: float [n, classes]; labels: int64 [n], 0..classes-1. Returns a number from 0.
    """
    return nn.functional.cross_entropy(logits, labels)


def mean_squared_error(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean over samples and classes of (p - y)^2, with y 1 at the label and 0 elsewhere.

    logits: float [n, classes]; labels: int64 [n], 0..classes-1. Returns a number from 0 to 1.
    """
    wanted = nn.functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    return nn.functional.mse_loss(torch.softmax(logits, dim=1), wanted)


LOSSES: dict[str, Loss] = {"cross-entropy": cross_entropy, "mse": mean_squared_error}


def l1_penalty(network: nn.Module) -> torch.Tensor:
    """The sum of the absolute weights; biases and other vectors do not count."""
    weights = [parameter.abs().sum() for parameter in network.parameters() if parameter.dim() > 1]
    return torch.stack(weights).sum()
