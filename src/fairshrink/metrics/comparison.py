"""How sure a change is: two models on the same rows, drawn together.

The change of a mean of absolute differences is biased as well: noise adds more to the smaller of two gaps, so that the
change looks smaller than it is. The plain percentile interval, which resamples, does this a second time and therefore
lies too near to 0; a corrected one, which measures the error around gaps that were shrunk by what noise contributes to
them, calls too many changes. The interval reaches as far as any of them.

Resampling a cell of one or two images finds no noise at all. So no p is below what a sign test of the images that the
two models treat differently could give, and the interval reaches 0 where that is above 0.05.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from fairshrink.metrics.counts import Margins
from fairshrink.metrics.draws import draw_within, kind_rates, resampled_sizes
from fairshrink.metrics.gaps import GAPS, check_convention, statistics
from fairshrink.metrics.pairs import Pairs, of_model
from fairshrink.metrics.rates import accuracy_of, divide, f1_of, fpr_of, lowest, macro, precision_of, recall_of, tpr_of
from fairshrink.metrics.tails import interval, mean_over_draws
from fairshrink.metrics.uncertainty import check_whole

Statistic = Callable[[Margins], np.ndarray]
SCORES = ("accuracy", "precision", "recall", "f1")
_OF_ALL = ("average_f1", "worst_group_accuracy")
_CELLS_AT_ONCE = 4_000_000  # bounds memory; the draws depend on it
# Measured, as for a single gap: without it one to three in a hundred fewer true changes were covered.
_WIDEN = 1.1
_PAIRED = 5  # keys the draws, beside the purposes of `uncertainty`


@dataclass(frozen=True)
class Changes:
    """Statistics of A and of B, and how sure their difference is.

    Attributes:
        a: Values of A, (S,); NaN where undefined.
        b: Values of B, (S,).
        low: Lower end of the 95 % interval of b - a, (S,).
        high: Upper end, (S,).
        p: Two-sided, (S,): at most 0.05 where the interval excludes 0, given 39 draws or more.
    """

    a: Float[np.ndarray, " S"]
    b: Float[np.ndarray, " S"]
    low: Float[np.ndarray, " S"]
    high: Float[np.ndarray, " S"]
    p: Float[np.ndarray, " S"]


class Compared(NamedTuple):
    """What changed between two models.

    Attributes:
        gaps: In the order of `metrics.gaps.statistics`: the gaps of `GAPS`, then the TPR gap of each class.
        scores: In the order of `scores_of`.
    """

    gaps: Changes
    scores: Changes


def changes(pairs: Pairs, *, convention: str = "strict", n_boot: int = 1000, seed: int = 0) -> Compared:
    """Intervals and p-values of the change of every gap and score, from one set of paired draws.

    Args:
        pairs: What is resampled, within group and class.
        convention: "strict" or "published", as in `gaps`.
        n_boot: Draws.
        seed: Keys the draws.

    Raises:
        ConfigError: n_boot or seed is no whole number, n_boot is below 1 or seed below 0, or the convention is unknown.
    """
    check_convention(convention)
    n_boot, seed = check_whole("n_boot", n_boot, 1), check_whole("seed", seed, 0)
    drawn = _draw(pairs, n_boot, seed)
    return Compared(_gap_changes(pairs, drawn, convention), _score_changes(pairs, drawn))


def scores_of(parts: Margins) -> Float[np.ndarray, "*B S"]:
    """Each group's `SCORES`, group after group, then the mean F1 over groups and the lowest accuracy of a group."""
    accuracy, f1 = accuracy_of(parts), f1_of(parts)
    by_group = np.stack([accuracy, precision_of(parts), recall_of(parts), f1], axis=-1)
    of_all = np.stack([macro(f1, ~np.isnan(f1)), lowest(accuracy)], axis=-1)
    return np.concatenate([by_group.reshape(*by_group.shape[:-2], -1), of_all], axis=-1)


def _draw(pairs: Pairs, n_boot: int, seed: int) -> Float[np.ndarray, "2 3 B G C"]:
    """Margins of n_boot draws, a bounded number at a time."""
    rng, rates = np.random.default_rng([seed, _PAIRED]), kind_rates(pairs.units)
    at_once = max(1, _CELLS_AT_ONCE // max(1, pairs.units.counts.size))
    sizes = [min(at_once, n_boot - start) for start in range(0, n_boot, at_once)]
    return np.concatenate([pairs.margins(draw_within(pairs.units, rates, rng, size)) for size in sizes], axis=2)


def _score_changes(pairs: Pairs, drawn: np.ndarray) -> Changes:
    centre = _change(scores_of, _expected(pairs))
    # The percentile interval is the basic one with the errors turned round.
    values = _values(scores_of, pairs.margins(pairs.units.counts))
    return _changes(values, [centre - _change(scores_of, drawn)], _sign_bound(_units_behind_scores(pairs, values)))


def _gap_changes(pairs: Pairs, drawn: np.ndarray, convention: str) -> Changes:
    """Errors are measured around the rates as they are, and around two shrunken ones, with the same noise."""

    def gaps_of(parts: Margins) -> np.ndarray:
        return statistics(parts, convention)

    def widened(centre: np.ndarray) -> np.ndarray:
        error = _change(gaps_of, _of_rates(noise + centre[:, :, None], support)) - _change(
            gaps_of, _of_rates(centre, support)
        )
        mean = mean_over_draws(error)
        return mean + _WIDEN * (error - mean)

    seen, expected = pairs.margins(pairs.units.counts), _expected(pairs)
    support, rates = seen[0, 1], _rates(expected)
    noise = _rates(drawn) - rates[:, :, None]
    # The percentile interval is the basic one with the errors turned round.
    turned = _change(gaps_of, expected) - _change(gaps_of, drawn)
    by_class, pooled = (widened(_shrunken(rates, noise, together)) for together in ((-2,), (-2, -1)))
    # All classes together say more about how much of a mean is noise, but nothing about a single one.
    pooled[:, len(GAPS) :] = by_class[:, len(GAPS) :]
    return _changes(_values(gaps_of, seen), [turned, by_class, pooled], _sign_bound(_units_behind_gaps(pairs)))


def _shrunken(rates: np.ndarray, noise: np.ndarray, together: tuple[int, ...]) -> Float[np.ndarray, "2 2 G C"]:
    """Rates drawn towards the mean of the groups until they scatter as if noise had not added to it.

    Args:
        rates: TPR and FPR of both models, (2, 2, G, C).
        noise: Deviations from them in each draw, (2, 2, B, G, C).
        together: Axes over which scatter is added up: the groups of each class, or those of all classes.

    Source: James and Stein 1961, in the positive-part form; the square root keeps the scatter, not its square.
    """
    apart = _from_mean(rates)
    observed = np.nansum(apart**2, axis=together, keepdims=True)
    by_noise = np.nansum(_from_mean(noise) ** 2, axis=together, keepdims=True).mean(2)
    kept = 1 - np.divide(by_noise, observed, out=np.ones(observed.shape), where=observed > 0)
    return rates - apart + np.sqrt(np.clip(kept, 0, 1)) * apart


def _from_mean(rates: np.ndarray) -> np.ndarray:
    """Deviations from the plain mean of the groups that have the rate."""
    there = ~np.isnan(rates)
    return rates - divide(np.where(there, rates, 0.0).sum(-2, keepdims=True), there.sum(-2, keepdims=True))


def _sign_bound(units: np.ndarray) -> np.ndarray:
    """The smallest p that so many units can give: all of them, which might as well have favoured A, favour B."""
    return np.where(units > 0, np.minimum(1.0, 2.0 ** (1.0 - units)), 0.0)


def _units_behind_gaps(pairs: Pairs) -> np.ndarray:
    """On how many units the models differ, (S,): at all for the mean gaps, in the hits of the class for a single one."""
    apart, hits_apart = _apart(pairs)
    of_all = (pairs.units.counts * apart).sum()
    return np.concatenate([np.full(len(GAPS), of_all), pairs.units.counts.sum(0) @ hits_apart]).astype(np.float64)


def _units_behind_scores(pairs: Pairs, values: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The same for the scores: in the group; for the lowest accuracy, in the groups that have it in A or B."""
    by_group = (pairs.units.counts * _apart(pairs)[0]).sum(-1).astype(np.float64)
    accuracy = np.stack([value[: -len(_OF_ALL)].reshape(-1, len(SCORES))[:, 0] for value in values])
    worst = np.argmin(np.where(np.isnan(accuracy), np.inf, accuracy), axis=-1)
    return np.concatenate([np.repeat(by_group, len(SCORES)), [by_group.sum(), by_group[worst].min()]])


def _apart(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Which kinds of units the models differ on: in any prediction (T,), in the hits of each class (T, C)."""
    parts = pairs.units.parts.reshape(pairs.units.parts.shape[0], 2, 3, -1)
    apart = parts[:, 0] != parts[:, 1]
    return apart.any((1, 2)), apart[:, 0]


def _changes(values: tuple[np.ndarray, np.ndarray], errors: list[np.ndarray], least_p: np.ndarray) -> Changes:
    found = interval(values[1] - values[0], errors, least_p)
    return Changes(*values, low=np.clip(found.low, -1, 1), high=np.clip(found.high, -1, 1), p=found.p)


def _expected(pairs: Pairs) -> Float[np.ndarray, "2 3 G C"]:
    """Margins of a draw, on average."""
    return pairs.margins(kind_rates(pairs.units) * resampled_sizes(pairs.units))


def _values(statistic: Statistic, margins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return statistic(of_model(margins, 0)), statistic(of_model(margins, 1))


def _change(statistic: Statistic, margins: np.ndarray) -> np.ndarray:
    a, b = _values(statistic, margins)
    return b - a


def _rates(margins: np.ndarray) -> Float[np.ndarray, "2 2 *B G C"]:
    """TPR and FPR of both models: all that gaps depend on."""
    both = (of_model(margins, 0), of_model(margins, 1))
    return np.stack([np.stack([tpr_of(parts), fpr_of(parts)]) for parts in both])


def _of_rates(rates: np.ndarray, support: np.ndarray) -> Float[np.ndarray, "2 3 *B G C"]:
    """Margins that have these rates, so that gaps are counted by one function only."""
    hits = np.where(support > 0, rates[:, 0] * support, 0.0)
    wrong = rates[:, 1] * (support.sum(-1, keepdims=True) - support)
    return np.stack([hits, np.broadcast_to(support, hits.shape), hits + wrong], axis=1)
