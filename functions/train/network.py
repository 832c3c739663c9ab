"""Which network is trained: the ConvNet, or one of a file of the user's own."""

import importlib.util
from pathlib import Path

import torch
from torch import nn

from data import CHANNELS
from failure import TrainingFailed
from model import ConvNet
from options import Options

OWN_CLASS = "Network"


def network_of(classes: int, side: int, options: Options) -> nn.Module:
    """A new network: images [n, 3, side, side], normalised, to logits [n, classes].

    Raises TrainingFailed when the user's own is none.
    """
    if options.network is None:
        return ConvNet(classes, side, options.width, options.depth, options.dropout)
    return own_network(options.network, classes, side)


def own_network(file: Path, classes: int, side: int) -> nn.Module:
    """Makes the `Network(classes, side)` of a Python file, and tries it on two images."""
    spec = importlib.util.spec_from_file_location("own_network", file)
    if spec is None or spec.loader is None:
        raise TrainingFailed(f"{file.name} can't be loaded, expected a Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        network = getattr(module, OWN_CLASS)(classes, side)
        if not isinstance(network, nn.Module):
            raise TypeError(f"{OWN_CLASS} is no torch.nn.Module")
        network.eval()
        with torch.no_grad():
            shape = list(network(torch.zeros(2, CHANNELS, side, side)).shape)
        network.train()
    # It is the user's code: whatever it raises is what they have to know.
    except Exception as error:
        raise TrainingFailed(
            f"{file.name}: {type(error).__name__}: {error}; expected a class {OWN_CLASS}(classes, side) "
            f"that makes logits [n, {classes}] of images [n, {CHANNELS}, {side}, {side}]"
        ) from error
    if shape != [2, classes]:
        raise TrainingFailed(
            f"{file.name}: two images give {shape}, expected logits [2, {classes}]"
        )
    return network
