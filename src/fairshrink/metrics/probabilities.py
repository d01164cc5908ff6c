"""What probabilities say beyond the prediction: ranking (AUC) and calibration (ECE, reliability curve), by group."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from fairshrink.metrics import rates
from fairshrink.metrics.floor import null_point
from fairshrink.metrics.rates import divide

BINS = 15
DRAWS = 200
_CHANCES_AT_ONCE = 2_000_000  # bounds memory


class Reliability(NamedTuple):
    """Predictions of about the same confidence together, by group.

    Attributes:
        edges: Of the bins, (B + 1,): bin b holds what is above edges[b] and at most edges[b + 1].
        n: How many, (G, B).
        confidence: Their mean confidence, (G, B); NaN in an empty bin.
        accuracy: What part of them is right, (G, B); NaN in an empty bin.
    """

    edges: Float[np.ndarray, " edges"]
    n: Int[np.ndarray, "G B"]
    confidence: Float[np.ndarray, "G B"]
    accuracy: Float[np.ndarray, "G B"]


def auc(scores: Float[np.ndarray, " N"], positive: Bool[np.ndarray, " N"]) -> float:
    """Area under the ROC curve: how often a positive scores above a negative; equal scores count half.

    Args:
        scores: Of each sample, (N,).
        positive: Whether it is of the class, (N,).

    Returns:
        NaN without a positive or without a negative.

    Source: Mann and Whitney 1947, by midranks.
    """
    positives = int(positive.sum())
    negatives = positive.size - positives
    if not positives or not negatives:
        return float("nan")
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    sizes = np.diff(np.append(starts, ranked.size))
    midranks = np.repeat(starts + (sizes + 1) / 2, sizes)
    above = midranks[positive[order]].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def auc_by_class(
    prob: Float[np.ndarray, "N C"], true: Int[np.ndarray, " N"], groups: Int[np.ndarray, " N"], num_groups: int
) -> Float[np.ndarray, "G C"]:
    """Each class against the rest within each group, (G, C); NaN where a group has only one of the two.

    Args:
        prob: Probability of each class.
        true: True classes, in [0, C).
        groups: In [0, G), -1 where unknown: skipped.
        num_groups: G.
    """
    out = np.full((num_groups, prob.shape[1]), np.nan)
    for group in range(num_groups):
        mine = groups == group
        chances, classes = prob[mine], true[mine]
        for k in np.unique(classes):
            out[group, k] = auc(chances[:, k], classes == k)
    return out


def macro(values: Float[np.ndarray, "G C"]) -> Float[np.ndarray, " G"]:
    """Mean over the classes that have a value; NaN for a group without any."""
    return rates.macro(values, ~np.isnan(values))


def reliability(
    confidence: Float[np.ndarray, " N"], right: Bool[np.ndarray, " N"], groups: Int[np.ndarray, " N"], num_groups: int
) -> Reliability:
    """The reliability curve of each group, in 15 bins of equal width.

    Args:
        confidence: The largest probability of each sample, in [0, 1].
        right: Whether the class that has it is the true one.
        groups: In [0, G), -1 where unknown: skipped.
        num_groups: G.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", Section 2.
    """
    known = groups >= 0
    cell = groups[known] * BINS + _bins(confidence[known])
    sums = [
        np.bincount(cell, weights=weights, minlength=num_groups * BINS).reshape(num_groups, BINS)
        for weights in (None, confidence[known], right[known].astype(np.float64))
    ]
    return Reliability(_edges(), sums[0].astype(np.int64), divide(sums[1], sums[0]), divide(sums[2], sums[0]))


def ece(curve: Reliability) -> Float[np.ndarray, " G"]:
    """Expected calibration error: the distance between confidence and accuracy, mean over the samples of a group.

    Noise in every bin adds to it and nothing cancels, so it is too large in small groups: see `ece_by_chance`.

    Returns:
        NaN for an empty group.

    Source: Guo et al. 2017, Eq. 3.
    """
    off = np.where(curve.n > 0, np.abs(curve.accuracy - curve.confidence) * curve.n, 0.0)
    return divide(off.sum(1), curve.n.sum(1))


def ece_by_chance(
    confidence: Float[np.ndarray, " N"], groups: Int[np.ndarray, " N"], num_groups: int, *, seed: int = 0
) -> tuple[Float[np.ndarray, " G"], Float[np.ndarray, " G"]]:
    """The ECE of a model with these confidences that is perfectly calibrated: right as often as it is confident.

    Args:
        confidence: The largest probability of each sample, in [0, 1].
        groups: In [0, G), -1 where unknown: skipped.
        num_groups: G.
        seed: Keys the 200 draws.

    Returns:
        Mean, and what is exceeded in 2.5 % of cases, each (G,); NaN for an empty group.
    """
    known = np.flatnonzero(groups >= 0)
    cell = groups[known] * BINS + _bins(confidence[known])
    order = np.argsort(cell, kind="stable")
    sure, cells = confidence[known][order], cell[order]
    if not sure.size:
        return np.full(num_groups, np.nan), np.full(num_groups, np.nan)
    filled, starts = np.unique(cells, return_index=True)
    expected, of_group = np.add.reduceat(sure, starts), filled // BINS
    sizes = np.bincount(groups[known], minlength=num_groups)
    rng, found = np.random.default_rng([seed, 5]), []
    at_once = max(1, _CHANCES_AT_ONCE // sure.size)
    for start in range(0, DRAWS, at_once):
        right = rng.random((min(at_once, DRAWS - start), sure.size)) < sure
        off = np.abs(np.add.reduceat(right, starts, axis=1, dtype=np.float64) - expected)
        sums = np.stack([off[:, of_group == group].sum(1) for group in range(num_groups)], axis=1)
        found.append(divide(sums, sizes))
    draws = np.concatenate(found)
    return draws.mean(0), null_point(draws)


def _edges() -> np.ndarray:
    return np.linspace(0, 1, BINS + 1)


def _bins(confidence: np.ndarray) -> np.ndarray:
    """The bin of each confidence: an upper edge belongs to the bin below it, 0 to the first bin."""
    return np.minimum(np.searchsorted(_edges()[1:], confidence, side="left"), BINS - 1)
