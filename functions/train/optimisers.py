"""How the weights go down the gradient, and how far in each step.

docs/training.md has the formulas.
"""

import torch
from torch import nn

from options import Options


def optimiser_of(network: nn.Module, options: Options) -> torch.optim.Optimizer:
    """SGD with momentum, to which weight decay is part of the gradient, or AdamW, to which not."""
    if options.optimizer == "adamw":
        return torch.optim.AdamW(
            network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
        )
    return torch.optim.SGD(
        network.parameters(),
        lr=options.learning_rate,
        momentum=options.momentum,
        weight_decay=options.weight_decay,
        nesterov=options.nesterov,
    )


def schedule_of(
    optimiser: torch.optim.Optimizer, options: Options, batches: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The learning rate of each step; `batches` is the number of steps of an epoch."""
    if options.schedule == "constant":
        return torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1, total_iters=0)
    if options.schedule == "step":
        return torch.optim.lr_scheduler.StepLR(
            optimiser, step_size=options.step_epochs * batches, gamma=options.step_factor
        )
    # SGDR without restarts (I. Loshchilov, F. Hutter, ICLR 2017).
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.epochs * batches)
