"""How much each group's loss counts in a score: a coefficient for every group."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from numbers import Integral
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fairshrink.errors import ConfigError

Contrast = Callable[[Tensor, int], Tensor]
BETA = 1 / 3


def pooled(sizes: Int[Tensor, "G"], unprivileged: int) -> Float[Tensor, "G"]:
    """Every sample counts the same, n_g / n: the groups play no part (OBD; LeCun et al. 1989)."""
    return sizes.double() / sizes.sum()


@dataclass(frozen=True)
class Favour:
    """1 for the unprivileged group, -beta for the rest, shared out by size when the rest is several groups."""

    beta: float

    def __post_init__(self) -> None:
        if not isinstance(self.beta, (int, float)) or not 0 <= self.beta < float("inf"):
            raise ConfigError(
                f"beta is {self.beta!r}, but it weighs what the privileged group loses: give 0 or more (the paper: 0.2 to 0.33)."
            )

    def __call__(self, sizes: Int[Tensor, "G"], unprivileged: int) -> Float[Tensor, "G"]:
        """Coefficient of each group, (G,), float64."""
        share = sizes.double()
        share[unprivileged] = 0
        coefficients = -self.beta * share / share.sum()
        coefficients[unprivileged] = 1
        return coefficients


def favour(beta: float) -> Contrast:
    """A contrast that keeps what the unprivileged group needs and gives up what the others need (Wu et al. 2022, Eq. 4).

    With more than two groups it is the worst group against all the others pooled: -beta times the mean over their samples.

    Raises:
        ConfigError: beta is negative or not a number.
    """
    return Favour(beta)


@dataclass(frozen=True)
class Weighted:
    """The user's own coefficients, one for each group in the order of its number; the unprivileged group plays no part."""

    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        for group, value in enumerate(self.coefficients):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
                raise ConfigError(f"the weight of group {group} is {value!r}, but a finite number is expected.")
        if not any(self.coefficients):
            raise ConfigError(
                f"the weights of the groups are {list(self.coefficients)}: every score would be 0. Give a positive number to "
                "a group whose need keeps a weight, a negative one to a group whose need gives it up."
            )

    def __call__(self, sizes: Int[Tensor, "G"], unprivileged: int) -> Float[Tensor, "G"]:
        """Coefficient of each group, (G,), float64.

        Raises:
            ConfigError: There are more or fewer groups than coefficients.
        """
        if len(sizes) != len(self.coefficients):
            raise ConfigError(
                f"there are {len(self.coefficients)} weights for {len(sizes)} groups. Give one number for each group, in the "
                "order of their numbers: 0 for a group that plays no part."
            )
        return torch.tensor(self.coefficients, dtype=torch.float64)


def weighted(weights: Mapping[int, float] | Sequence[float]) -> Contrast:
    """A contrast with a coefficient of the user's own for each group: above 0 keeps what it needs, below 0 gives it up.

    Args:
        weights: One finite number for each group, in order; or group -> number, with every group from 0 on.

    Raises:
        ConfigError: A weight is missing or no finite number, all are 0, or a group is named by something else than its
            number.
    """
    return Weighted(in_order(weights) if isinstance(weights, Mapping) else tuple(weights))


def in_order(weights: Mapping[Any, float]) -> tuple[float, ...]:
    """The coefficients in the order of their groups' numbers.

    Raises:
        ConfigError: A group is named by something else than its number, or has no coefficient.
    """
    if named := [group for group in weights if not isinstance(group, Integral)]:
        raise ConfigError(
            f"the weights are of the groups {list(weights)}, but groups are numbers here, 0 to {len(weights) - 1}, in the "
            f"order in which the batches count them: give the number of {named[0]!r}."
        )
    if missing := set(range(len(weights))) - set(weights):
        raise ConfigError(
            f"the weights are of the groups {list(weights)}, but group {min(missing)} has none. Give one for every group "
            "from 0 on: 0 for a group that plays no part."
        )
    return tuple(weights[group] for group in range(len(weights)))


def contrast(beta: float, weights: Mapping[int, float] | Sequence[float] | None) -> Contrast:
    """`weighted` when there are weights, else `favour`.

    Raises:
        ConfigError: Both are given, or one of them cannot be used.
    """
    if weights is None:
        return favour(beta)
    if beta != BETA:
        raise ConfigError(f"beta = {beta!r} and weights = {weights!r} both say how the groups count. Give one of them.")
    return weighted(weights)
