"""From counts to rates, one class against the rest, and to each group's scores.

Every function takes counts with any leading batch axes, so that a thousand resamples are one call. A rate whose
denominator is empty (a class that a group lacks) is NaN.
"""

import numpy as np
from jaxtyping import Float, Integer

from fairshrink.metrics.counts import Margins, margins


def divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotient in float64; NaN where the denominator is 0."""
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)


def tpr(counts: Integer[np.ndarray, "*B G C C"]) -> Float[np.ndarray, "*B G C"]:
    """True positive rate: of the group's samples of the class, the part predicted as it. NaN without such samples."""
    return tpr_of(margins(counts))


def fpr(counts: Integer[np.ndarray, "*B G C C"]) -> Float[np.ndarray, "*B G C"]:
    """False positive rate: of the group's samples of other classes, the part predicted as this one."""
    return fpr_of(margins(counts))


def tnr(counts: Integer[np.ndarray, "*B G C C"]) -> Float[np.ndarray, "*B G C"]:
    """True negative rate, 1 - FPR."""
    return 1 - fpr(counts)


def tpr_of(parts: Margins) -> np.ndarray:
    """`tpr` from margins that are already there (resampling never builds whole tables)."""
    return divide(parts.hits, parts.support)


def fpr_of(parts: Margins) -> np.ndarray:
    """`fpr` from margins that are already there."""
    others = parts.support.sum(-1, keepdims=True) - parts.support
    return divide(parts.predicted - parts.hits, others)


def accuracy(counts: Integer[np.ndarray, "*B G C C"]) -> Float[np.ndarray, "*B G"]:
    """Part of each group's samples that is right; NaN for an empty group."""
    return accuracy_of(margins(counts))


def precision(counts: Integer[np.ndarray, "*B G C C"]) -> Float[np.ndarray, "*B G"]:
    """Macro precision over the classes that the group has; 0 for a class that is there but never predicted."""
    return precision_of(margins(counts))


def recall(counts: Integer[np.ndarray, "*B G C C"]) -> Float[np.ndarray, "*B G"]:
    """Macro recall (balanced accuracy) over the classes that the group has."""
    return recall_of(margins(counts))


def f1(counts: Integer[np.ndarray, "*B G C C"]) -> Float[np.ndarray, "*B G"]:
    """Macro F1 over the classes that the group has."""
    return f1_of(margins(counts))


def worst_group_accuracy(counts: Integer[np.ndarray, "*B G C C"]) -> Float[np.ndarray, "*B"]:
    """The lowest accuracy over the groups that have samples; NaN when none has."""
    return lowest(accuracy(counts))


def accuracy_of(parts: Margins) -> np.ndarray:
    """`accuracy` from margins that are already there."""
    return divide(parts.hits.sum(-1), parts.support.sum(-1))


def precision_of(parts: Margins) -> np.ndarray:
    """`precision` from margins that are already there."""
    return macro(divide(parts.hits, np.maximum(parts.predicted, 1)), parts.support > 0)


def recall_of(parts: Margins) -> np.ndarray:
    """`recall` from margins that are already there."""
    return macro(tpr_of(parts), parts.support > 0)


def f1_of(parts: Margins) -> np.ndarray:
    """`f1` from margins that are already there."""
    return macro(divide(2 * parts.hits, parts.support + parts.predicted), parts.support > 0)


def lowest(values: Float[np.ndarray, "*B G"]) -> Float[np.ndarray, "*B"]:
    """The smallest value over the groups that have one; NaN when none has."""
    found = np.where(np.isnan(values), np.inf, values).min(-1)
    return np.where(np.isinf(found), np.nan, found)


def macro(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is there; a class that a group lacks says nothing, in either convention."""
    return divide(np.asarray(np.where(there, values, 0.0).sum(-1)), np.asarray(there.sum(-1)))
