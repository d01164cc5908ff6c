"""How sure a gap is: what chance alone would give (the null floor), and an interval.

Both are drawn from counts of units by kind (`units.py`) and keyed by (seed, purpose), so that the same seed gives the
same numbers whatever else is computed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from fairshrink.errors import ConfigError
from fairshrink.metrics.counts import Margins
from fairshrink.metrics.draws import draw_permuted, draw_within, kind_rates, resampled_sizes, shrunken_rates
from fairshrink.metrics.floor import family_point, null_point
from fairshrink.metrics.gaps import GAPS, check_convention, moments, statistics
from fairshrink.metrics.tails import mean_over_draws
from fairshrink.metrics.units import Units

_CELLS_AT_ONCE = 4_000_000  # bounds memory; the draws do not depend on what is computed beside them, but on this
_TAILS = (0.025, 0.975)
# Measured, not derived: bootstrapped errors come out too narrow where samples are few. In pilot simulations at a fifth of
# HAM10000 and of Fitzpatrick-17k, true gaps of 0.2 and 0.3 were covered by 92 to 99 % of the intervals at 1.1, and by 93 to
# 99 % at 1.15; docs/metrics.md has the figures for the interval as it is, from other models.
_WIDEN = 1.15
_NULL, _AS_IS, _SHRUNKEN = 1, 2, 3
Draw = Callable[[np.random.Generator, int], np.ndarray]
Statistic = Callable[[Margins, str], np.ndarray]


@dataclass(frozen=True)
class Uncertainty:
    """Value, interval and null floor of each statistic (in the order of `metrics.gaps.statistics`).

    Attributes:
        value: What was measured, (S,).
        low: Lower end of the 95 % interval, (S,).
        high: Upper end of the 95 % interval, (S,).
        null_mean: Mean when groups are permuted within each true class, (S,).
        null_high: What the value exceeds by chance in 2.5 % of cases at most, (S,): a gap is above chance when its value
            is larger. For the gaps of single classes it is what any of them exceeds: corrected for their number. 1.0, which
            nothing exceeds, when n_boot is below 39.
        null_alone: The same for a class by itself, (S,): for one that was named before looking. Equal to null_high for the
            means over classes.
    """

    value: Float[np.ndarray, " S"]
    low: Float[np.ndarray, " S"]
    high: Float[np.ndarray, " S"]
    null_mean: Float[np.ndarray, " S"]
    null_high: Float[np.ndarray, " S"]
    null_alone: Float[np.ndarray, " S"]


def uncertainty(units: Units, *, convention: str = "strict", n_boot: int = 1000, seed: int = 0) -> Uncertainty:
    """Interval and null floor of every gap.

    A mean of absolute differences is biased upwards: noise in every class adds to it and nothing cancels, so the plain
    percentile interval lies too high. Here the error of the estimate, and with it the bias, is measured around two tables:
    the one that was observed and a shrunken one; see `interval`. The lower end is 0 unless the value is above the floor.

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
    value, square = moments(units.margins(units.counts), convention)
    draws = _Draws(units, convention, n_boot, seed)
    null = _resample(draws, _NULL, lambda rng, n: draw_permuted(units, rng, n), statistics)
    as_is, squares = np.moveaxis(_errors(draws, _AS_IS, kind_rates(units), moments), 1, 0)
    low, high = interval(
        (value, square), (as_is, mean_over_draws(squares)), _errors(draws, _SHRUNKEN, shrunken_rates(units), statistics)
    )
    classes = np.fmax(high[len(GAPS) :], unseen(units))
    high = np.concatenate([high[: len(GAPS)], classes])
    eopp1 = GAPS.index("eopp1")
    if value[eopp1] == 0:  # every class is like that, or no gap was seen in any
        high[eopp1] = max(high[eopp1], float(np.mean(classes[~np.isnan(value[len(GAPS) :])])))
    null_alone = null_point(null)
    null_high = np.append(null_alone[: len(GAPS)], family_point(null[:, len(GAPS) :], value[len(GAPS) :]))
    blank = np.where(np.isnan(value), np.nan, 0.0)
    return Uncertainty(
        value=value,
        low=blank + np.where(value > null_high, low, 0.0),
        high=blank + high,
        null_mean=blank + mean_over_draws(null),
        null_high=blank + null_high,
        null_alone=blank + null_alone,
    )


def interval(
    measured: tuple[Float[np.ndarray, " S"], Float[np.ndarray, " S"]],
    as_is: tuple[Float[np.ndarray, "B S"], Float[np.ndarray, " S"]],
    shrunken: Float[np.ndarray, "B S"],
) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, " S"]]:
    """Ends of the 95 % interval of means of gaps, (S,), from errors around two tables.

    The bias around the shrunken table is the larger: too large where the true gap is spread over all classes. The lower end
    takes it. The upper end reaches as far as any of three estimates with their errors: that one; the value less the bias
    around the observed table, which is too small where the true gap is small; and the root of the mean square, where it is
    below the value. A mean cannot exceed that root and equals it where every class has the same gap, and noise comes off a
    square as it should: of two groups' squared difference the bootstrapped bias is the true one in expectation.

    Args:
        measured: Mean over the classes' gaps, and over their squares.
        as_is: Errors of draws around the observed table; of the mean square, their mean.
        shrunken: Errors of draws around the shrunken table.
    """
    value, square = measured
    errors, square_bias = as_is
    bias, shrunken_bias = mean_over_draws(errors), mean_over_draws(shrunken)
    root = np.sqrt(np.maximum(square - square_bias, 0.0))
    centre = np.fmax(value - bias, np.fmin(value, root))
    upper = _WIDEN * (_quantile(errors, _TAILS[1]) - bias)
    below, above = (_WIDEN * (_quantile(shrunken, tail) - shrunken_bias) + shrunken_bias for tail in _TAILS)
    return np.clip(value - above, 0.0, 1.0), np.clip(np.fmax(value - below, centre + upper), 0.0, 1.0)


def unseen(units: Units) -> Float[np.ndarray, " C"]:
    """What a class's gap may be although every unit of every group was right, or every one wrong, (C,); else 0.

    Resampling sees no noise there. n units without a miss exclude, one-sided at 2.5 %, rates of misses above
    1 - 0.025^(1/n) (Clopper and Pearson 1934); the smallest group decides.
    """
    parts = units.margins(units.counts)
    units_each = units.units_by_class()
    alike = (parts.hits == 0).all(0) | (parts.hits == parts.support).all(0)
    return np.where(alike & (units_each > 0), 1 - (1 - _TAILS[1]) ** (1 / np.maximum(units_each, 1)), 0.0)


def check_whole(name: str, value: object, least: int) -> int:
    """The setting as a plain integer.

    Raises:
        ConfigError: It is no whole number (3.0, "3" and True are none), or below `least`.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ConfigError(f"{name} is {value!r}, expected a whole number of {least} or more.")
    return int(value)


class _Draws(NamedTuple):
    """Of what, by which convention, how many, and their seed."""

    units: Units
    convention: str
    n_boot: int
    seed: int


def _resample(at: _Draws, purpose: int, draw: Draw, statistic: Statistic) -> np.ndarray:
    """The statistic of n_boot draws, (n_boot, ...), a bounded number at a time."""
    rng = np.random.default_rng([at.seed, purpose])
    at_once = max(1, _CELLS_AT_ONCE // max(1, at.units.counts.size))
    sizes = [min(at_once, at.n_boot - start) for start in range(0, at.n_boot, at_once)]
    return np.concatenate([statistic(at.units.margins(draw(rng, size)), at.convention) for size in sizes])


def _errors(at: _Draws, purpose: int, rates: np.ndarray, statistic: Statistic) -> np.ndarray:
    """How far the statistic of samples with these rates of kinds is from that of the rates themselves."""
    truth = statistic(at.units.margins(rates * resampled_sizes(at.units)), at.convention)
    return _resample(at, purpose, lambda rng, n: draw_within(at.units, rates, rng, n), statistic) - truth


def _quantile(draws: np.ndarray, at: float) -> np.ndarray:
    # A statistic can be undefined in some draws when mixed clusters take a class away; those draws say nothing.
    undefined = np.isnan(draws).any(0)
    out = np.full(draws.shape[1], np.nan)
    out[~undefined] = np.quantile(draws[:, ~undefined], at, axis=0)
    for column in np.flatnonzero(undefined):
        there = draws[~np.isnan(draws[:, column]), column]
        out[column] = np.quantile(there, at) if there.size else np.nan
    return out
