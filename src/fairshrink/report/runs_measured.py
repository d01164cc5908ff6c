"""What was measured of a method, over its seeds: one seed with the interval of its images, several with a t interval."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fairshrink.metrics.seeds import mean_over_seeds
from fairshrink.report import fixing
from fairshrink.report.audited import AttributeAudit, Gap
from fairshrink.report.runs_grouped import Method, Replicate
from fairshrink.report.runs_spread import f1_interval
from fairshrink.report.tables import average_f1, fate_of

GAPS = ("eopp1", "eopp0", "eodd")
SEEDS, IMAGES, NONE = "seeds", "images", "none"


class Estimate(NamedTuple):
    """A number of a method.

    Attributes:
        value: The mean over the seeds; None where it is undefined.
        low: Lower end of the 95 % interval; None where there is none.
        high: Upper end.
        over: What the interval is over: "seeds" (t), "images" (bootstrap of the one seed), or "none".
        values: One per seed.
        floor: What chance alone reaches, mean over the seeds; None for what is no gap.
        above: With how many seeds the gap is above its own floor.
    """

    value: float | None
    low: float | None
    high: float | None
    over: str
    values: tuple[float | None, ...]
    floor: float | None = None
    above: int = 0


def known(value: float) -> float | None:
    """NaN as the pages write it."""
    return None if np.isnan(value) else float(value)


def array(values: Sequence[float | None]) -> np.ndarray:
    """Values with NaN for what is undefined."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def estimate(values: Sequence[float | None], alone: tuple[float | None, float | None] = (None, None)) -> Estimate:
    """A mean over seeds, or one value with the interval of its images.

    Args:
        values: One per seed.
        alone: The interval of a single seed.
    """
    found = mean_over_seeds(array(values))
    if len(values) == 1:
        over = NONE if None in alone else IMAGES
        return Estimate(known(found.value), *alone, over, tuple(values))
    ends = known(found.low), known(found.high)
    return Estimate(known(found.value), *ends, NONE if None in ends else SEEDS, tuple(values))


def _of(method: Method, value: Callable[[Replicate], float | None]) -> list[float | None]:
    return [value(replicate) for replicate in method.replicates]


def audit_of(replicate: Replicate, attribute: str) -> AttributeAudit:
    """What a replicate's audit says of an attribute."""
    return replicate.stage.audit.attributes[attribute]


def macro_f1(method: Method, attribute: str) -> Estimate:
    """Macro F1, average of the groups: the score of FATE."""
    values = _of(method, lambda replicate: average_f1(audit_of(replicate, attribute)))
    alone = f1_interval(method.first.run, method.first.stage, attribute) if len(values) == 1 else (None, None)
    return estimate(values, alone)


def overall_f1(method: Method) -> Estimate:
    """Macro F1 of all test rows, their group known or not."""
    return estimate(_of(method, lambda replicate: replicate.stage.audit.overall.f1))


def accuracy(method: Method) -> Estimate:
    """Accuracy of all test rows."""
    return estimate(_of(method, lambda replicate: replicate.stage.audit.overall.accuracy))


def gap(method: Method, attribute: str, name: str) -> Estimate:
    """One of `GAPS`, with the floor of its images."""
    found: list[Gap] = [audit_of(replicate, attribute).gaps[name] for replicate in method.replicates]
    of = estimate([one.value for one in found], (found[0].low, found[0].high))
    floors = array([one.null_high for one in found])
    floor = known(float(np.mean(floors[~np.isnan(floors)]))) if not np.isnan(floors).all() else None
    return of._replace(floor=floor, above=sum(one.above_chance for one in found))


def fate(method: Method, attribute: str, name: str) -> Estimate:
    """FATE in one of `GAPS` against the vanilla model of the same run."""
    return estimate(_of(method, lambda replicate: fate_of(replicate.run, replicate.stage, attribute, name)))


def zeros(method: Method) -> Estimate:
    """Share of the weights that is zero."""
    return estimate(_of(method, lambda replicate: replicate.stage.record.zero_fraction))


def fixed(method: Method) -> Estimate:
    """Share of the weights that is fixed, at zero or at a power of two."""
    return estimate(_of(method, lambda replicate: fixing.fixed(replicate.stage)))
