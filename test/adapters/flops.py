"""Exports a few networks to OUTPUT/NAME.onnx, and prints what PyTorch counts: {"NAME": FLOPs}."""

import json
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from onnxruntime.quantization import CalibrationDataReader, quantize_dynamic, quantize_static
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


class Residual(nn.Module):
    """A block whose input is added to its output, and put beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.BatchNorm2d(4), nn.ReLU()
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cat([images, images + self.inner(images)], dim=1)


class Attention(nn.Module):
    """Products of two computed tensors, in several heads."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(16, 48)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        query, key, value = (
            part.reshape(1, 7, 4, 4).permute(0, 2, 1, 3)
            for part in self.project(tokens).split(16, dim=-1)
        )
        weights = (query @ key.transpose(-1, -2)).softmax(dim=-1)
        return (weights @ value).permute(0, 2, 1, 3).reshape(1, 7, 16)


NETWORKS = {
    "strides": (
        nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=2, padding=2),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.Conv2d(8, 2, 1),
        ),
        (1, 3, 33, 31),
    ),
    "dilations": (
        nn.Sequential(
            nn.Conv2d(3, 6, 3, dilation=2), nn.AvgPool2d(2), nn.Conv2d(6, 6, 3, groups=6)
        ),
        (1, 3, 20, 24),
    ),
    "transposed": (
        nn.Sequential(
            nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1), nn.Conv2d(6, 2, 3)
        ),
        (1, 4, 9, 7),
    ),
    "residual": (
        nn.Sequential(
            Residual(), nn.Conv2d(8, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3)
        ),
        (1, 4, 10, 10),
    ),
    "series": (
        nn.Sequential(nn.Conv1d(2, 4, 5, stride=3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 12, 2)),
        (1, 2, 40),
    ),
    "attention": (Attention(), (1, 7, 16)),
}


class OneSample(CalibrationDataReader):
    """Zeros, once."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.samples = [{"x": np.zeros(shape, np.float32)}]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self.samples.pop() if self.samples else None


def quantize(output: Path, name: str) -> list[str]:
    """Makes int8 models of it, which compute as much; returns their names."""
    network = output / f"{name}.onnx"
    quantize_dynamic(network, output / "dynamic.onnx")
    quantize_static(network, output / "static.onnx", OneSample(NETWORKS[name][1]))
    return ["dynamic", "static"]


def main(output: Path) -> None:
    """Exports and counts them all."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    counts = {}
    for name, (network, shape) in NETWORKS.items():
        example = torch.zeros(*shape)
        with FlopCounterMode(display=False) as counter:
            network.eval()(example)
        counts[name] = counter.get_total_flops()
        axes = {"x": {0: "batch"}} if name != "attention" else {}
        torch.onnx.export(
            network,
            (example,),
            output / f"{name}.onnx",
            input_names=["x"],
            dynamic_axes=axes,
            dynamo=False,
        )
    for name in quantize(output, "series"):
        counts[name] = counts["series"]
    print(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
