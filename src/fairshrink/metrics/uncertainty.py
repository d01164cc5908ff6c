"""How sure a gap is: what chance alone would give (the null floor), and an interval.

Both are drawn from counts of units by kind (`units.py`) and keyed by (seed, purpose), so that the same seed gives the
same numbers whatever else is computed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Literal

import numpy as np
from jaxtyping import Float

from fairshrink.errors import ConfigError
from fairshrink.metrics.draws import draw_permuted, draw_within, kind_rates, resampled_sizes, shrunken_rates
from fairshrink.metrics.gaps import check_convention, statistics
from fairshrink.metrics.units import Units

_CELLS_AT_ONCE = 4_000_000  # bounds memory; the draws do not depend on what is computed beside them, but on this
_TAILS = (0.025, 0.975)
# Measured, not derived: in a pilot simulation at HAM10000's cells, gaps of 0.05 to 0.3 were covered by 90 to 94 %
# of the intervals without it and 93 to 96 % with it; docs/metrics.md has the figures for the interval as it is.
_WIDEN = 1.1
_NULL, _AS_IS, _SHRUNKEN = 1, 2, 3


@dataclass(frozen=True)
class Uncertainty:
    """Value, interval and null floor of each statistic (in the order of `metrics.gaps.statistics`).

    Attributes:
        value: What was measured, (S,).
        low: Lower end of the 95 % interval, (S,).
        high: Upper end of the 95 % interval, (S,).
        null_mean: Mean when groups are permuted within each true class, (S,).
        null_high: 97.5 % point of the same, (S,); a gap is above chance when its value is larger.
    """

    value: Float[np.ndarray, " S"]
    low: Float[np.ndarray, " S"]
    high: Float[np.ndarray, " S"]
    null_mean: Float[np.ndarray, " S"]
    null_high: Float[np.ndarray, " S"]


def uncertainty(units: Units, *, convention: str = "strict", n_boot: int = 1000, seed: int = 0) -> Uncertainty:
    """Interval and null floor of every gap.

    A mean of absolute differences is biased upwards: noise in every class adds to it and nothing cancels, so the plain
    percentile interval lies too high. Here the error of the estimate, and with it the bias, is measured twice: around
    the table as it is, and around a shrunken one in which each class's differences between groups are reduced by what
    noise contributes to them. Around the first the bias comes out too small where the true gap is small, around the
    second too large where it is spread over all classes; the upper end reaches as far as either. The lower end is 0
    unless the value is above the null floor.

    Args:
        units: What is resampled, within group and class.
        convention: "strict" or "published", as in `gaps`.
        n_boot: Draws for the floor and for each of the two errors.
        seed: Keys the draws.

    Raises:
        ConfigError: n_boot or seed is no whole number, n_boot is below 1 or seed below 0, or the convention is unknown.
    """
    check_convention(convention)
    n_boot, seed = check_whole("n_boot", n_boot, 1), check_whole("seed", seed, 0)
    value = statistics(units.margins(units.counts), convention)
    null = _resample(lambda rng, n: draw_permuted(units, rng, n), units, convention, (n_boot, seed, _NULL))
    plain = _error(kind_rates(units), units, convention, (n_boot, seed, _AS_IS))
    shrunken = _error(shrunken_rates(units), units, convention, (n_boot, seed, _SHRUNKEN))
    # The next draw up, not one between two: the test is then never more than its nominal 2.5 %.
    null_high = _quantile(null, _TAILS[1], method="higher")
    low = np.where(value > null_high, value - _quantile(shrunken, _TAILS[1]), 0.0)
    # plain's quantiles hold the bias once; taking it off twice undoes that of the value as well.
    high = np.fmax(value - _quantile(shrunken, _TAILS[0]), value + _quantile(plain, _TAILS[1]) - 2 * _mean(plain))
    blank = np.where(np.isnan(value), np.nan, 0.0)
    return Uncertainty(
        value=value,
        low=blank + np.clip(low, 0.0, 1.0),
        high=blank + np.clip(high, 0.0, 1.0),
        null_mean=blank + _mean(null),
        null_high=blank + null_high,
    )


def check_whole(name: str, value: object, least: int) -> int:
    """The setting as a plain integer.

    Raises:
        ConfigError: It is no whole number (3.0, "3" and True are none), or below `least`.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ConfigError(f"{name} is {value!r}, expected a whole number of {least} or more.")
    return int(value)


def _resample(
    draw: Callable[[np.random.Generator, int], np.ndarray], units: Units, convention: str, keys: tuple[int, int, int]
) -> np.ndarray:
    """The statistics of n_boot draws, (n_boot, S), a bounded number at a time."""
    n_boot, *key = keys
    rng = np.random.default_rng(key)
    at_once = max(1, _CELLS_AT_ONCE // max(1, units.counts.size))
    sizes = [min(at_once, n_boot - start) for start in range(0, n_boot, at_once)]
    return np.concatenate([statistics(units.margins(draw(rng, size)), convention) for size in sizes])


def _error(rates: np.ndarray, units: Units, convention: str, keys: tuple[int, int, int]) -> np.ndarray:
    """How far the statistics of samples with these rates of kinds are from those of the rates themselves, widened."""
    truth = statistics(units.margins(rates * resampled_sizes(units)), convention)
    error = _resample(lambda rng, n: draw_within(units, rates, rng, n), units, convention, keys) - truth
    centre = _mean(error)
    return centre + _WIDEN * (error - centre)


def _mean(draws: np.ndarray) -> np.ndarray:
    there = ~np.isnan(draws)
    return np.where(there, draws, 0.0).sum(0) / np.maximum(there.sum(0), 1)


def _quantile(draws: np.ndarray, at: float, method: Literal["linear", "higher"] = "linear") -> np.ndarray:
    # A statistic can be undefined in some draws when mixed clusters take a class away; those draws say nothing.
    undefined = np.isnan(draws).any(0)
    out = np.full(draws.shape[1], np.nan)
    out[~undefined] = np.quantile(draws[:, ~undefined], at, axis=0, method=method)
    for column in np.flatnonzero(undefined):
        there = draws[~np.isnan(draws[:, column]), column]
        out[column] = np.quantile(there, at, method=method) if there.size else np.nan
    return out
