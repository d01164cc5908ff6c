"""Augmentation, drawn for each sample by itself: flips, turns and scales in one pass over the batch, AutoAugment per image."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2

from fairshrink.data.draws import Draws
from fairshrink.errors import ConfigError, suggest

AUGMENTS = ("flip", "rotate", "scale", "autoaugment")
MOST_DEGREES = 45.0
LARGEST = 1.25  # and its inverse: evenly on a logarithmic scale
FILL = (124, 116, 104)  # ImageNet's mean, 0 after normalisation: what AutoAugment leaves bare


def check_augment(names: Sequence[str]) -> tuple[str, ...]:
    """The names, or an error about the first that is unknown.

    Raises:
        ConfigError: An unknown name.
    """
    if isinstance(names, str):
        raise ConfigError(f"augment is '{names}', but a list was expected, such as  augment = [\"{names}\"].")
    for name in names:
        if name not in AUGMENTS:
            raise ConfigError(f"there is no augmentation '{name}'.{suggest(str(name), AUGMENTS)}")
    return tuple(names)


def augmented(pixels: NDArray[np.uint8], names: Sequence[str], draws: Draws, epoch: int) -> Tensor:
    """Augmented images, not normalised.

    "flip" mirrors left-right and up-down, each for half of the samples; "rotate" turns by up to 45 degrees either way;
    "scale" by 0.8 to 1.25. Corners that come into view are filled by reflection. "autoaugment" is torchvision's policy
    for ImageNet and comes first.

    Args:
        pixels: (N, S, S, 3).
        names: Some of AUGMENTS; their order does not matter.
        draws: The samples' random numbers.
        epoch: Another epoch, other draws.

    Returns:
        (N, 3, S, S), 0 to 255.
    """
    if "autoaugment" in names:
        pixels = _autoaugment(pixels, draws.keys(f"autoaugment {epoch}"))
    moves = bool({"rotate", "scale"} & set(names))
    if "flip" in names and not moves:
        pixels = _flip(pixels, _flips(draws, epoch))
    count, side = pixels.shape[:2]
    x = torch.empty(count, 3, side, side).copy_(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    return _transform(x, torch.from_numpy(_matrices(names, draws, epoch))) if moves else x


def _flips(draws: Draws, epoch: int) -> NDArray[np.bool_]:
    return draws.even(f"flip {epoch}", 2) < 0.5


def _flip(pixels: NDArray[np.uint8], flips: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Bytes, exactly; nothing is interpolated."""
    across, down = flips.T
    pixels = pixels.copy()
    pixels[across] = pixels[across, :, ::-1]
    pixels[down] = pixels[down, ::-1]
    return pixels


def _matrices(names: Sequence[str], draws: Draws, epoch: int) -> NDArray[np.float32]:
    """Where each pixel of the result comes from: (N, 2, 2) in coordinates from -1 to 1."""
    count = len(draws.indices)
    angle, scale, sign = np.zeros(count), np.ones(count), np.ones((count, 2))
    if "rotate" in names:
        angle = math.radians(MOST_DEGREES) * (2 * draws.even(f"rotate {epoch}") - 1)
    if "scale" in names:
        scale = LARGEST ** (2 * draws.even(f"scale {epoch}") - 1)
    if "flip" in names:
        sign = np.where(_flips(draws, epoch), -1.0, 1.0)
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    turn = np.stack([np.stack([cos, -sin], axis=1), np.stack([sin, cos], axis=1)], axis=1)
    return (sign[:, :, None] * turn).astype(np.float32)


def _transform(x: Tensor, matrices: Tensor) -> Tensor:
    side = x.shape[-1]
    centres = (2 * torch.arange(side) + 1) / side - 1
    across = matrices[:, None, :, 0] * centres[:, None]  # (N, S, 2): what the column adds
    down = matrices[:, None, :, 1] * centres[:, None]
    grid = across[:, None, :, :] + down[:, :, None, :]
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _autoaugment(pixels: NDArray[np.uint8], keys: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """AutoAugment draws from torch's global generator: it is seeded for each sample, then put back as it was."""
    policy = v2.AutoAugment(v2.AutoAugmentPolicy.IMAGENET, interpolation=v2.InterpolationMode.BILINEAR, fill=list(FILL))
    done = np.empty_like(pixels)
    with torch.random.fork_rng(devices=[]):
        for at, key in enumerate(keys):
            torch.default_generator.manual_seed(int(key >> np.uint64(1)))
            done[at] = np.asarray(policy(Image.fromarray(pixels[at])))
    return done
