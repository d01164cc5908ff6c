"""Where a chosen weight goes. Pruning is quantisation to the codebook {0}."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from fairshrink.errors import ConfigError, suggest
from fairshrink.maths.powers import BOUNDARIES, Window, check_weights, nearest_power, window_of

MOST_BITS = 16  # 13 bits hold every exponent of float64.


@runtime_checkable
class Codebook(Protocol):
    """A map from weights to the values that they are fixed at."""

    def __call__(self, w: Tensor) -> Tensor:
        """Where each weight of a tensor would go: same shape, dtype and device."""
        ...

    def fit(self, weights: Mapping[str, Tensor] | Tensor) -> "Codebook":
        """A codebook whose range is fixed from these weights, so that re-training cannot move it.

        Args:
            weights: One tensor, or several by parameter name, each of which gets a range of its own (see `at`).
        """
        ...


@dataclass(frozen=True)
class Zero:
    """The codebook {0}."""

    def __call__(self, w: Tensor) -> Tensor:
        """Zeros, whatever the weights are."""
        return torch.zeros_like(w)

    def fit(self, weights: Mapping[str, Tensor] | Tensor) -> "Zero":
        """Itself: the range of {0} does not depend on the weights."""
        return self


@dataclass(frozen=True)
class Stay:
    """Every value is a level: no weight moves."""

    def __call__(self, w: Tensor) -> Tensor:
        """A copy of the weights, as they are."""
        return w.detach().clone()

    def fit(self, weights: Mapping[str, Tensor] | Tensor) -> "Stay":
        """Itself: there is no range."""
        return self


zero = Zero()
stay = Stay()


@dataclass(frozen=True)
class PowerOfTwo:
    """The signed powers of two and 0: see `power_of_two`.

    Attributes:
        bits: Width of a code; None: any exponent.
        round: "log" or "linear".
        window: (n1, n2), the largest and the smallest exponent; None: found from the weights where there are bits.

    Raises:
        ConfigError: A setting is none of these.
    """

    bits: int | None = None
    round: str = "log"
    window: Window | None = None

    def __post_init__(self):
        check_bits(self.bits)
        if self.round not in BOUNDARIES:
            raise ConfigError(
                f"round is {self.round!r}, but there is no such rounding.{suggest(str(self.round), BOUNDARIES)}"
            )
        if self.window is not None and self.window[0] < self.window[1]:
            raise ConfigError(
                f"window is {self.window}, expected the largest exponent first, then the smallest. Swap them."
            )

    def __call__(self, w: Tensor) -> Tensor:
        """The level of each weight, exactly.

        Odd, idempotent in a fixed window, never infinite, and 0 is always +0.0.

        Args:
            w: Weights, any shape, floating point.

        Raises:
            ModelError: A weight is not finite; or all are 0, and there are bits but no window.
        """
        return nearest_power(w, self.round, self.window or self._window(w))

    def fit(self, weights: Mapping[str, Tensor] | Tensor) -> Codebook:
        """A codebook whose window is fixed from these weights.

        Args:
            weights: One tensor, or several by parameter name.

        Returns:
            For a tensor, a PowerOfTwo with its window; for several, a PerTensor of them. Itself where no window is needed
            (no bits) or it has one already.

        Raises:
            ModelError: A weight is not finite; or all weights of a parameter are 0, and there are bits.
        """
        if isinstance(weights, Tensor):
            return self._fitted(weights)
        books = {name: self._fitted(w, name) for name, w in weights.items()}
        return self if self.bits is None or self.window is not None else PerTensor(books)

    def _fitted(self, w: Tensor, name: str | None = None) -> "PowerOfTwo":
        check_weights(w, name)
        return replace(self, window=self.window or self._window(w, name))

    def _window(self, w: Tensor, name: str | None = None) -> Window | None:
        """None where there are no weights to find one from: they need none."""
        return None if self.bits is None or w.numel() == 0 else window_of(w, self.bits, name)


@dataclass(frozen=True)
class PerTensor:
    """A fitted codebook for each parameter: see `at`.

    Attributes:
        books: Parameter name -> its codebook.
    """

    books: Mapping[str, Codebook]

    def __call__(self, w: Tensor) -> Tensor:
        """The levels of the one parameter that it was fitted to.

        Raises:
            ConfigError: It was fitted to several, or to none, so that it cannot be known which one is meant.
        """
        if len(self.books) != 1:
            raise ConfigError(
                f"this codebook was fitted to {len(self.books):,} parameters, and only the name says which one's levels are "
                "meant.\n  Call at(codebook, name)(weights) instead."
            )
        return next(iter(self.books.values()))(w)

    def fit(self, weights: Mapping[str, Tensor] | Tensor) -> "PerTensor":
        """Itself: it is fitted already."""
        return self


def power_of_two(bits: int | None = None, round: str = "log") -> PowerOfTwo:
    """Signed powers of two: w goes to sign(w) * 2^n.

    >>> power_of_two()(torch.tensor([0.3, -0.75, 0.0]))
    tensor([ 0.2500, -1.0000,  0.0000])
    >>> power_of_two(bits=3, round="linear")(torch.tensor([0.3, -0.75, 0.2]))
    tensor([ 0.5000, -1.0000,  0.0000])

    Args:
        bits: None: n is any exponent (FairQuantize). b, from 2: 2^(b - 2) exponents, from n1 = floor(log2(4/3 * max |w|))
            down to n2 = n1 + 1 - 2^(b - 1) / 2; larger weights saturate at 2^n1, and below 2^n2 / 2 they become 0 (INQ).
        round: "log": n nearest to log2(|w|), boundary sqrt(2) * 2^n (FairQuantize). "linear": boundary 1.5 * 2^n, ties away
            from 0 (INQ).

    Returns:
        A codebook that finds its window from the weights it is called with, each time; `.fit(weights)` fixes it.

    Raises:
        ConfigError: bits or round is none of these.

    Source: Guo et al. 2024 (FairQuantize); Zhou et al. 2017 (INQ), Eq. 2 to 4.
    """
    return PowerOfTwo(bits, round)


def at(codebook: Codebook, name: str) -> Codebook:
    """The codebook of one parameter; `stay` where a PerTensor was not fitted to it (all its weights are fixed already)."""
    return codebook.books.get(name, stay) if isinstance(codebook, PerTensor) else codebook


def check_bits(bits: object) -> None:
    """Refuse what is no width of a code.

    Raises:
        ConfigError: It is neither None nor a whole number from 2 to `MOST_BITS`.
    """
    if bits is not None and (type(bits) is not int or not 2 <= bits <= MOST_BITS):
        raise ConfigError(
            f"bits is {bits!r}, expected a whole number from 2 to {MOST_BITS}; leave it out (None) for any power of two."
        )
