"""Images that are moved, mirrored or turned a little at each use: the label stays, and no two epochs are alike."""

import math

import torch
from torch import nn

from options import Options


def augmented(
    images: torch.Tensor,
    rows: torch.Tensor,
    batch_size: int,
    chances: torch.Generator,
    options: Options,
) -> torch.Tensor:
    """Images (float [n, channels, height, width]) that are some rows of a batch, changed at random.

    The chances are drawn for the whole batch, whichever rows this process computes: so several
    processes see what one would have seen. rows: int64 [n], 0 to batch_size - 1.
    """
    if options.flip:
        flips = (torch.rand(batch_size, generator=chances)[rows] < 0.5).to(images.device)
        images = torch.where(flips[:, None, None, None], images.flip(3), images)
    if options.rotation > 0:
        shares = 2 * torch.rand(batch_size, generator=chances)[rows] - 1
        images = turned(images, (shares * math.radians(options.rotation)).to(images.device))
    if options.shift > 0:
        offsets = torch.randint(0, 2 * options.shift + 1, (2,), generator=chances).tolist()
        images = moved(images, options.shift, *offsets)
    return images


def moved(images: torch.Tensor, most: int, top: int, left: int) -> torch.Tensor:
    """Moves images by `most - top` rows down and `most - left` columns right, each -most to most.

    The border pixels go on into the gap. One offset for all, as a batch is small and is drawn anew
    in every epoch.
    """
    height, width = images.shape[2:]
    padded = nn.functional.pad(images, (most,) * 4, mode="replicate")
    return padded[:, :, top : top + height, left : left + width]


def turned(images: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Turns each image around its centre, clockwise by its angle in radians (float [n]).

    Bilinear; the border pixels go on into the corners.
    """
    cosines, sines, zeros = angles.cos(), angles.sin(), torch.zeros_like(angles)
    matrices = torch.stack(
        [torch.stack([cosines, sines, zeros], 1), torch.stack([-sines, cosines, zeros], 1)], 1
    )
    grid = nn.functional.affine_grid(matrices, list(images.shape), align_corners=False)
    return nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
