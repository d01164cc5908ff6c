"""Where a chosen weight goes. Pruning is quantisation to the codebook {0}."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Codebook(Protocol):
    """A map from weights to the values that they are fixed at."""

    def __call__(self, w: Tensor) -> Tensor:
        """Where each weight of a tensor would go: same shape, dtype and device."""
        ...

    def fit(self, weights: dict[str, Tensor]) -> "Codebook":
        """A codebook whose range is fixed from these weights, by parameter name, so that re-training cannot move it."""
        ...


@dataclass(frozen=True)
class Zero:
    """The codebook {0}."""

    def __call__(self, w: Tensor) -> Tensor:
        """Zeros, whatever the weights are."""
        return torch.zeros_like(w)

    def fit(self, weights: dict[str, Tensor]) -> "Zero":
        """Itself: the range of {0} does not depend on the weights."""
        return self


zero = Zero()
