"""Started by torchrun: trains on some digits, and leaves each process's weights and losses in a folder.

Arguments: the folder, `reduced` or `apart` (without the exchange of gradients), and options of the program.
"""

import sys
from pathlib import Path

import data
import digits
import torch
from distributed import Group, joined
from fit import fit
from options import parse


class Apart(Group):
    """Processes that never tell each other their gradients."""

    def wrap(self, network: torch.nn.Module) -> torch.nn.Module:
        return network


folder, how, *arguments = sys.argv[1:]
training = digits.load().training
part = data.Part(training.images[:203], training.labels[:203])
with joined() as group:
    if how == "apart":
        group = Apart(group.rank, group.size, group.device)
    fitted = fit(part, 10, parse(arguments), group)
    state = {
        "weights": fitted.network.state_dict(),
        "losses": fitted.losses,
        "validation_losses": fitted.validation_losses,
        "validation_accuracies": fitted.validation_accuracies,
    }
    torch.save(state, Path(folder) / f"rank-{group.rank}.pt")
