"""Short chains of layers that begin with four channels, and images for them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Other(nn.Module):
    """Whatever a function makes of it."""

    def __init__(self, function: Callable[[Tensor], object]) -> None:
        nn.Module.__init__(self)
        self.function = function

    def forward(self, x):
        return self.function(x)


def chain(*layers: nn.Module, channels: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(2, 4, 1), *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 2))


def images(size: int = 6, channels: int = 2) -> Tensor:
    return torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0))
