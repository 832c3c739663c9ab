"""The network, and the form of it that is served."""

import torch
from torch import nn


class ConvNet(nn.Module):
    """A convolutional network: images [batch, 3, side, side], normalised, to logits [batch, classes].

    The layout is LeNet-5's (Y. LeCun et al., "Gradient-based learning applied to document
    recognition", Proc. IEEE 86(11), 1998) with ReLU and max-pooling. Sides of the feature maps, for
    a side of 32: 28 (5x5), 14 (pool), 10 (5x5), 5 (pool), so 16 * 5 * 5 = 400 values reach the last
    part. side: 16 or more.

    width: times as many feature maps (6 and 16 by itself). depth: convolutions; those after the
    second are 3x3 and keep the maps' size. dropout: the share of values that each of the last
    part's layers loses while the network is trained.
    """

    def __init__(
        self, classes: int, side: int = 32, width: int = 1, depth: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__()
        channels = [3, 6 * width, *[16 * width] * (depth - 1)]
        pooled = 2
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(zip(channels, channels[1:]), start=1):
            if number > pooled:
                layers += [nn.Conv2d(before, after, kernel_size=3, padding=1), nn.ReLU()]
            else:
                layers += [nn.Conv2d(before, after, kernel_size=5), nn.ReLU(), nn.MaxPool2d(2)]
                side = (side - 4) // 2
        self.features = nn.Sequential(*layers)
        values = channels[-1] * side**2
        # None without dropout: a layer that does nothing would still be part of the file.
        left_out = [nn.Dropout(dropout)] if dropout > 0 else []
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(values, 120),
            nn.ReLU(),
            *left_out,
            nn.Linear(120, 84),
            nn.ReLU(),
            *left_out,
            nn.Linear(84, classes),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(images))


class Normalise(nn.Module):
    """(x - mean) / std, with one mean and one std per channel, taken from the training images."""

    def __init__(self, training_images: torch.Tensor) -> None:
        """training_images: [n, channels, height, width]."""
        super().__init__()
        std, mean = torch.std_mean(training_images.double(), dim=(0, 2, 3), keepdim=True)
        self.register_buffer("mean", mean.float())
        self.register_buffer("std", std.float())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images - self.mean) / self.std


class Servable(nn.Module):
    """What clients call: pixel values 0..1 [batch, 3, side, side] to probabilities [batch, classes]."""

    def __init__(self, normalise: Normalise, network: ConvNet) -> None:
        super().__init__()
        self.normalise = normalise
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.network(self.normalise(images)), dim=1)
