"""Pixels to a network's inputs; training, scoring and prediction go through here."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Triple = tuple[float, float, float]


class Normalisation(NamedTuple):
    """What is subtracted from each colour and what it is divided by, for pixels from 0 to 1, in the order red, green, blue."""

    mean: Triple
    std: Triple


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def in_bytes(how: Normalisation) -> tuple[Tensor, Tensor]:
    """Mean and deviation for pixels from 0 to 255, each (3, 1, 1)."""
    return 255 * torch.tensor(how.mean).view(3, 1, 1), 255 * torch.tensor(how.std).view(3, 1, 1)


def normalise_(x: Tensor, how: Normalisation = IMAGENET) -> Tensor:
    """Normalise images in place, (N, 3, S, S) from 0 to 255."""
    mean, std = in_bytes(how)
    return x.sub_(mean).div_(std)


def network_inputs(pixels: NDArray[np.uint8], how: Normalisation = IMAGENET) -> Tensor:
    """Decoded images (N, S, S, 3) as float32 inputs (N, 3, S, S), as an unaugmented batch of a `Loader` has them."""
    count, side = pixels.shape[:2]
    return normalise_(torch.empty(count, 3, side, side).copy_(torch.from_numpy(pixels).permute(0, 3, 1, 2)), how)
