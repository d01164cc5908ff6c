"""Points along a way from the counts of all folds together: gap, recall and F1 with intervals, and the gap's floor."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fairshrink.metrics.counts import GroupCounts, Margins
from fairshrink.metrics.draws import draw_within, kind_rates
from fairshrink.metrics.gaps import GAPS, gaps
from fairshrink.metrics.rates import f1_of, precision_of, recall_of
from fairshrink.metrics.uncertainty import uncertainty
from fairshrink.metrics.units import Units, units_of_rows
from fairshrink.report.records import Step

DRAWS, SEED = 300, 0
_ENDS = (0.025, 0.975)
_EOPP1, _EODD = GAPS.index("eopp1"), GAPS.index("eodd")
_SCORES = 4  # purposes 1 to 3 of the seed are the gaps' own


_RATES = (recall_of, f1_of, precision_of)  # in the order of a point


class Value(NamedTuple):
    """A number with its 95 % interval; the ends are NaN where none was asked for."""

    value: float
    low: float = np.nan
    high: float = np.nan


class Point(NamedTuple):
    """All folds together at one share of fixed weights; scores are macro averages, averaged over the groups.

    `floor` is that of EOpp1, `eodd_floor` that of EOdd.
    """

    ratio: float
    eopp1: Value
    recall: Value
    f1: Value
    precision: Value
    eodd: Value
    floor: float = np.nan
    eodd_floor: float = np.nan


def shared_ratios(steps: Mapping[int, Mapping[float, Step]]) -> list[float]:
    """The shares of fixed weights that every fold has with its counts, ascending."""
    there = [{ratio for ratio, step in of.items() if step.counts is not None} for of in steps.values()]
    return sorted(set.intersection(*there)) if there else []


def points(steps: Mapping[int, Mapping[float, Step]], *, sure: bool) -> list[Point]:
    """One point for each share of fixed weights that every fold reached.

    Args:
        steps: Fold -> share of fixed weights -> step.
        sure: Whether intervals and the floor are drawn too, which takes a while.
    """
    return [point(ratio, [of[ratio] for of in steps.values()], sure=sure) for ratio in shared_ratios(steps)]


def point(ratio: float, steps: Iterable[Step], *, sure: bool) -> Point:
    """Steps of different folds as one: their counts add up, every image is in the validation part of one fold."""
    counts = np.sum([np.array(step.counts, dtype=np.int64) for step in steps], axis=0)
    units = units_of_rows(GroupCounts(counts))
    if not sure:
        now = units.margins(units.counts)
        (recall, f1, precision), between = [Value(float(of(now).mean())) for of in _RATES], gaps(counts)
        eopp1, eodd = (Value(float(between[name].value)) for name in ("eopp1", "eodd"))
        return Point(ratio, eopp1, recall, f1, precision, eodd)
    found = uncertainty(units, n_boot=DRAWS, seed=SEED)
    eopp1, eodd = (Value(*(float(ends[at]) for ends in (found.value, found.low, found.high))) for at in (_EOPP1, _EODD))
    floor, eodd_floor = (float(found.null_high[at]) for at in (_EOPP1, _EODD))
    recall, f1, precision = _scores(units, _RATES)
    return Point(ratio, eopp1, recall, f1, precision, eodd, floor, eodd_floor)


def _scores(units: Units, rates: Sequence[Callable[[Margins], np.ndarray]]) -> list[Value]:
    """Averages over the groups, with the percentiles of images drawn again within group and class."""
    now = units.margins(units.counts)
    drawn = units.margins(draw_within(units, kind_rates(units), np.random.default_rng([SEED, _SCORES]), DRAWS))
    return [Value(float(of(now).mean()), *np.quantile(of(drawn).mean(-1), _ENDS).tolist()) for of in rates]
