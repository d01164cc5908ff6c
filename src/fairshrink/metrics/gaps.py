"""Gaps between groups: a rate per class and group, its spread over the groups, the mean over the classes.

| gap | compared between groups, per class |
|---|---|
| eopp0 | TNR |
| eopp1 | TPR |
| eodd | (TPR + FPR) / 2 |
| eodd_max | TPR and FPR, the larger of the two gaps |

A class's gap is max - min over the groups; for two groups the absolute difference, for more the largest pair.
Since abs(dTPR + dFPR) is the difference of TPR + FPR, its largest pair is a max - min too.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from fairshrink.errors import ConfigError, suggest
from fairshrink.metrics.counts import Margins, margins
from fairshrink.metrics.rates import fpr_of, tpr_of

Convention = Literal["strict", "published"]
CONVENTIONS = ("strict", "published")
GAPS = ("eopp0", "eopp1", "eodd", "eodd_max")


class GapValue(NamedTuple):
    """A gap and what it leaves out.

    Attributes:
        value: The gap, in [0, 1]; of the batch's shape. NaN when no class can be compared (strict).
        undefined: Number of classes for which a group has no such rate (nobody to divide by); of the batch's shape.
            Strict: the rate is left out; the class is left out of the mean when fewer than two groups have the
            rate. Published: the rate counts as 0.
    """

    value: np.ndarray
    undefined: np.ndarray


def gaps(counts: Integer[np.ndarray, "*B G C C"], convention: str = "strict") -> dict[str, GapValue]:
    """Equal opportunity for negatives and positives, equalised odds (halved), and its maximum form.

    Args:
        counts: (..., G, C, C): [group, true class, predicted class].
        convention: "strict": 0/0 is NaN, left out and counted. "published": 0/0 is 0, as in the papers' code.

    Returns:
        Name -> value and number of undefined classes, for the names in `GAPS`.

    Raises:
        ConfigError: The convention is unknown.

    Source: Wu et al. 2022 (FairPrune), Section 3.1, with the mean over classes, and EOdd halved, of the authors' code.
    """
    return {
        name: GapValue(_mean(gap.value), gap.undefined.sum(-1))
        for name, gap in by_class(margins(counts), convention).items()
    }


def tpr_gaps(counts: Integer[np.ndarray, "*B G C C"], convention: str = "strict") -> GapValue:
    """Each class's TPR gap by itself, (..., C): what `eopp1` is the mean of; `undefined` is 0 or 1."""
    return by_class(margins(counts), convention)["eopp1"]


def statistics(parts: Margins, convention: str) -> Float[np.ndarray, "*B S"]:
    """All that is resampled, in one array: the gaps in the order of `GAPS`, then the TPR gap of each class."""
    return _over_classes(by_class(parts, convention), 1)


def moments(parts: Margins, convention: str) -> Float[np.ndarray, "*B 2 S"]:
    """`statistics`, and the same of squares: the mean over classes of each class's squared gap."""
    table = by_class(parts, convention)
    return np.stack([_over_classes(table, power) for power in (1, 2)], axis=-2)


def by_class(parts: Margins, convention: str) -> dict[str, GapValue]:
    """Each gap before the mean over classes, (..., C).

    Raises:
        ConfigError: The convention is unknown.
    """
    check_convention(convention)
    tpr, fpr = tpr_of(parts), fpr_of(parts)
    missing_tpr, missing_fpr = np.isnan(tpr), np.isnan(fpr)
    either = missing_tpr | missing_fpr
    if convention == "published":
        tpr, tnr, fpr = np.where(missing_tpr, 0.0, tpr), np.where(missing_fpr, 0.0, 1 - fpr), _zero(fpr)
        both_tpr, both_fpr = tpr, fpr
    else:
        tnr = 1 - fpr
        both_tpr, both_fpr = np.where(either, np.nan, tpr), np.where(either, np.nan, fpr)
    return {
        "eopp0": GapValue(spread(tnr), _any(missing_fpr)),
        "eopp1": GapValue(spread(tpr), _any(missing_tpr)),
        "eodd": GapValue(spread(both_tpr + both_fpr) / 2, _any(either)),
        "eodd_max": GapValue(np.maximum(spread(both_tpr), spread(both_fpr)), _any(either)),
    }


def check_convention(convention: str) -> None:
    """Raise ConfigError for a convention that is not one of `CONVENTIONS`."""
    if convention not in CONVENTIONS:
        raise ConfigError(f"convention is '{convention}'.{suggest(convention, CONVENTIONS)}")


def spread(rates: Float[np.ndarray, "*B G C"]) -> Float[np.ndarray, "*B C"]:
    """Max - min over the groups that have the rate; NaN when fewer than two have it."""
    missing = np.isnan(rates)
    high = np.where(missing, -np.inf, rates).max(-2)
    low = np.where(missing, np.inf, rates).min(-2)
    return np.subtract(high, low, out=np.full(high.shape, np.nan), where=(~missing).sum(-2) >= 2)


def _over_classes(table: dict[str, GapValue], power: int) -> np.ndarray:
    means = np.stack([_mean(table[name].value ** power) for name in GAPS], axis=-1)
    return np.concatenate([means, table["eopp1"].value ** power], axis=-1)


def _any(missing: np.ndarray) -> np.ndarray:
    """Whether a group lacks the rate, per class."""
    return np.asarray(missing.any(-2))


def _zero(rates: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(rates), 0.0, rates)


def _mean(values: np.ndarray) -> np.ndarray:
    there = ~np.isnan(values)
    total = there.sum(-1)
    out = np.full(total.shape, np.nan)
    return np.divide(np.where(there, values, 0.0).sum(-1), total, out=out, where=total > 0)
