"""Powers of two the slow way: try every level, in exact fractions."""

import math
from fractions import Fraction

import torch
from torch import Tensor


def nearest_by_trying(w: Tensor, rounding: str, window: tuple[int, int] | None) -> Tensor:
    """Each weight's level, of all that the dtype holds in the window; what is below half the smallest becomes 0."""
    smallest, largest = exponents_of(w.dtype)
    n1, n2 = (largest, smallest) if window is None else (min(window[0], largest), window[1])
    levels = [Fraction(2) ** n for n in range(n2, n1 + 1)]
    flat = [math.copysign(_nearest(abs(Fraction(value)), levels, rounding), value) for value in w.flatten().tolist()]
    return torch.tensor([value if value else 0.0 for value in flat], dtype=torch.float64).to(w.dtype).view(w.shape)


def window_by_trying(w: Tensor, bits: int) -> tuple[int, int]:
    """The largest power of two up to 4/3 of the largest weight, and as many below it as b bits have codes for."""
    most = Fraction(4, 3) * max(abs(Fraction(value)) for value in w.flatten().tolist())
    n1 = max(n for n in range(-1080, exponents_of(w.dtype)[1] + 1) if Fraction(2) ** n <= most)
    return n1, n1 + 1 - 2 ** (bits - 1) // 2


def exponents_of(dtype: torch.dtype) -> tuple[int, int]:
    """Of the smallest and the largest power of two that a type holds, by trying."""
    held = [n for n in range(-1080, 1024) if _holds(dtype, 2.0**n)]
    return held[0], held[-1]


def _holds(dtype: torch.dtype, value: float) -> bool:
    return value > 0 and float(torch.tensor(value, dtype=torch.float64).to(dtype)) == value


def _nearest(size: Fraction, levels: list[Fraction], rounding: str) -> float:
    if size == 0 or size < levels[0] / 2:
        return 0.0
    if rounding == "log":  # |log2(a) - log2(b)| grows with the larger of a / b and b / a.
        return float(min(levels, key=lambda level: max(size / level, level / size)))
    return float(min(reversed(levels), key=lambda level: abs(size - level)))
