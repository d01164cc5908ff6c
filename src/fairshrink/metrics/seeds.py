"""How sure a mean over training runs is: Student's t, for values of one setting with several seeds."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import stdtr, stdtrit

LEVEL = 0.95
_SAME = 1e-12  # differences that are equal but for rounding have no spread


class Mean(NamedTuple):
    """A mean over seeds with its 95 % t interval and the two-sided p-value of 0.

    Attributes:
        value: NaN without values.
        low: NaN where there are fewer than two values, or where they differ by rounding at most: neither says
            anything of the spread.
        high: As low.
        p: As low; 1 where every value is 0.
        n: Values that it rests on.
    """

    value: float
    low: float
    high: float
    p: float
    n: int


def mean_over_seeds(values: Float[np.ndarray, " K"]) -> Mean:
    """The mean of independent values and Student's t interval around it.

    For a change against another model give the differences, seed by seed: the interval and p are then those of the
    paired t-test.

    Args:
        values: One per seed, (K,); NaN (undefined with that seed) is left out, and `n` says how many are left.

    Source: Student 1908; the interval is mean -+ t(0.975, n - 1) * s / sqrt(n), s with n - 1 in the denominator.
    """
    known = values[~np.isnan(values)]
    n = int(known.size)
    if n == 0:
        return Mean(np.nan, np.nan, np.nan, np.nan, 0)
    mean = float(known.mean())
    if n == 1 or np.ptp(known) < _SAME:
        same = n > 1 and abs(mean) < _SAME
        return Mean(mean, np.nan, np.nan, 1.0 if same else np.nan, n)
    error = float(known.std(ddof=1)) / np.sqrt(n)
    reach = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * error
    p = 2 * float(stdtr(n - 1, -abs(mean) / error))
    return Mean(mean, mean - reach, mean + reach, p, n)


def merged_p(p: Float[np.ndarray, " K"]) -> float:
    """One p-value from several of the same hypothesis, however they depend on each other: twice their mean, at most 1.

    Args:
        p: (K,); NaN is left out.

    Returns:
        The p itself when there is one; NaN without any.

    Source: Vovk and Wang 2020, "Combining p-values via averaging" (after Rueschendorf 1982).
    """
    known = p[~np.isnan(p)]
    if known.size == 0:
        return float("nan")
    return float(known[0]) if known.size == 1 else float(min(1.0, 2 * known.mean()))
