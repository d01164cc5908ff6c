"""Rounding to signed powers of two, exactly: no logarithm is computed, so no weight at a boundary goes astray."""

import math

import torch
from torch import Tensor

from fairshrink.errors import ModelError

# Where 2^n gives way to 2^(n + 1), as a fraction of 2^(n + 1). The double of sqrt(1/2) lies above the true value, so that
# no double lies between the two, and `>=` decides as the true value would.
BOUNDARIES = {"log": math.sqrt(0.5), "linear": 0.75}

_TOGETHER = (
    1 << 16
)  # Weights that stay in the processor's cache as doubles; all of a large layer would take its memory several times.

Window = tuple[int, int]


def nearest_power(w: Tensor, rounding: str, window: Window | None = None) -> Tensor:
    """The signed power of two nearest to each weight; 0 stays 0, and what is below half the smallest level becomes 0.

    >>> nearest_power(torch.tensor([0.3, -0.74, 0.75]), "linear")
    tensor([ 0.2500, -0.5000,  1.0000])

    Args:
        w: Weights, any shape, floating point, finite.
        rounding: "log": nearest in log2(|w|), boundary sqrt(2) * 2^n. "linear": nearest in |w|, boundary 1.5 * 2^n, ties away
            from 0.
        window: (n1, n2): the largest and the smallest exponent. None: any that the dtype can hold.

    Returns:
        Same shape, dtype and device; +-2^n or +0.0, never infinite: what the dtype cannot hold is its largest power of two.

    Raises:
        ModelError: A weight is not finite, or the weights are not floating point.

    Source: Guo et al. 2024 (FairQuantize), quantised value; Zhou et al. 2017 (INQ), Eq. 2 to 4, for the window.
    """
    check_weights(w)
    parts = [_rounded(part, BOUNDARIES[rounding], window) for part in w.detach().flatten().split(_TOGETHER)]
    return torch.cat(parts).view(w.shape)


def window_of(w: Tensor, bits: int, name: str | None = None) -> Window:
    """INQ's window of exponents for b bits: n1 = floor(log2(4/3 * max |w|)), n2 = n1 + 1 - 2^(b - 1) / 2.

    n1 is at most what the dtype can hold; n2 may lie below that.

    >>> window_of(torch.tensor([0.1, -0.75]), bits=5)
    (0, -7)

    Args:
        w: Weights, any shape, at least one of which is not 0.
        bits: b, one of them for 0 and one for the sign.
        name: Of the parameter, for the error.

    Raises:
        ModelError: All weights are 0, one is not finite, or they are not floating point.
    """
    check_weights(w, name)
    mantissa, exponent = math.frexp(float(w.detach().abs().max()))
    if mantissa == 0:
        raise ModelError(
            f"{_called(name)}: all {w.numel():,} weights are 0, so that no window of {bits} bits can be found for them.\n"
            "  Leave its layer as it is (leave = [...]), or quantise without bits."
        )
    n1 = min(exponent if mantissa >= BOUNDARIES["linear"] else exponent - 1, _largest(w.dtype))
    return n1, n1 + 1 - 2 ** (bits - 2)


def check_weights(w: Tensor, name: str | None = None) -> None:
    """Refuse weights that have no nearest level.

    Raises:
        ModelError: A weight is not finite, or the weights are not floating point.
    """
    if not w.is_floating_point():
        raise ModelError(
            f"{_called(name)} are {w.dtype}, but only floating-point weights can be quantised. Leave this parameter out."
        )
    if wrong := int((~torch.isfinite(w)).sum()):
        raise ModelError(
            f"{_called(name)}: {wrong:,} of {w.numel():,} are NaN or infinite, and no level is near these.\n"
            "  Train with a lower lr, or look where the checkpoint came from."
        )


def _called(name: str | None) -> str:
    return "the weights" if name is None else f"the weights of '{name}'"


def _rounded(w: Tensor, boundary: float, window: Window | None) -> Tensor:
    size = w.double().abs()
    mantissa, _ = torch.frexp(size)
    # The quotient of a number and its mantissa is a power of two, which division gives exactly; `pow` need not.
    power = torch.where(size > 0, size / mantissa, 0.0)
    power = torch.where(mantissa >= boundary, power, power / 2)
    largest = _power(_largest(w.dtype))
    if window is not None:
        n1, n2 = window
        power = power.clamp(_power(n2), _power(n1)).where(size >= _power(n2 - 1), 0.0).where(size > 0, 0.0)
    # Adding 0.0 turns -0.0 into +0.0.
    return torch.copysign(power.clamp(max=largest), w).to(w.dtype) + 0.0


def _largest(dtype: torch.dtype) -> int:
    """The exponent of the largest power of two that a floating-point type holds."""
    return math.frexp(torch.finfo(dtype).max)[1] - 1


def _power(exponent: int) -> float:
    """2^n as a double; 0 below its range, its largest power above."""
    return math.ldexp(1.0, min(exponent, 1023))
