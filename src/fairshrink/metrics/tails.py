"""From errors that were measured by resampling to an interval and a p-value that say the same."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

_TAIL = 0.025
_LEAST_P = 1e-6  # nobody should believe a normal tail further out
_FEWEST = 39  # draws; with fewer, none is beyond the 2.5 % of a tail
_EXACT = 12  # decimals: what is equal stays equal, whatever order it was added up in


class Interval(NamedTuple):
    """A 95 % interval and the two-sided p-value of 0, (S,) each."""

    low: Float[np.ndarray, " S"]
    high: Float[np.ndarray, " S"]
    p: Float[np.ndarray, " S"]


class _Side(NamedTuple):
    low: np.ndarray
    high: np.ndarray
    above: np.ndarray
    below: np.ndarray


def interval(
    value: Float[np.ndarray, " S"],
    errors: list[Float[np.ndarray, "B S"]],
    least_p: Float[np.ndarray, " S"] | None = None,
) -> Interval:
    """Where the truth is, given how far estimates were from it in each of several ways to measure that.

    The interval reaches as far as any of them, and p is the largest. p is at most 0.05 exactly where the interval excludes
    0: the k-th largest of n errors, k = 0.025 (n + 1) rounded down, is the last that the value has to exceed. With fewer
    than 39 draws nothing can be said: -1 to 1, and p is 1.

    Args:
        value: What was measured, (S,), in [-1, 1]; NaN where undefined.
        errors: Estimate minus truth in B draws, (B, S); NaN where a draw says nothing.
        least_p: No p is below this, (S,), and the interval reaches 0 where this is above 0.05; None: 0.
    """
    least_p = np.zeros(value.shape) if least_p is None else least_p
    value = np.round(value, _EXACT)
    sides = [_side(value, np.round(error, _EXACT)) for error in errors]
    low, high = np.min([side.low for side in sides], axis=0), np.max([side.high for side in sides], axis=0)
    above, below = np.max([side.above for side in sides], axis=0), np.max([side.below for side in sides], axis=0)
    p = np.minimum(1.0, np.maximum(2 * np.minimum(above, below), least_p))
    unsure = least_p > 2 * _TAIL
    low, high = np.where(unsure, np.minimum(low, 0.0), low), np.where(unsure, np.maximum(high, 0.0), high)
    few = np.any([(~np.isnan(error)).sum(0) < _FEWEST for error in errors], axis=0) & ~np.isnan(p)
    return Interval(np.where(few, -1.0, low), np.where(few, 1.0, high), np.where(few, 1.0, p))


def mean_over_draws(draws: Float[np.ndarray, "B S"]) -> Float[np.ndarray, " S"]:
    """Mean of the draws in which a statistic is defined; 0 where there are none."""
    there = ~np.isnan(draws)
    return np.where(there, draws, 0.0).sum(0) / np.maximum(there.sum(0), 1)


def _side(value: np.ndarray, error: np.ndarray) -> _Side:
    """Both ends, and how likely errors are at least, and at most, as large as the value."""
    ordered, there = np.sort(error, axis=0), (~np.isnan(error)).sum(0)  # NaN comes last
    k = np.maximum(1, np.floor(_TAIL * (there + 1))).astype(np.int64)
    largest, smallest = (np.take_along_axis(ordered, np.maximum(at, 0)[None], axis=0)[0] for at in (there - k, k - 1))
    blank = np.where(np.isnan(value) | (there == 0), np.nan, 0.0)
    above, below = (blank + _tail(count.sum(0), there, value, error) for count in (error >= value, error <= value))
    return _Side(blank + value - largest, blank + value - smallest, above, below)


def _tail(count: np.ndarray, there: np.ndarray, value: np.ndarray, error: np.ndarray) -> np.ndarray:
    """One-sided p. Beyond the last draw, which n draws cannot show, the tail is taken as normal.

    Otherwise no p would be below 1 / (n + 1), and nothing could hold among many comparisons.
    """
    p = (1 + count) / (there + 1)
    centre = mean_over_draws(error)
    spread = np.sqrt(mean_over_draws((error - centre) ** 2))
    far = np.flatnonzero((count == 0) & (spread > 0))
    distance = np.abs(value - centre)[far] / spread[far]
    p[far] = np.minimum(p[far], [max(_LEAST_P, math.erfc(z / math.sqrt(2)) / 2) for z in distance.tolist()])
    return p
