"""Early exits of a model as the page sees them: frozen records of exits.json."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import nan

import numpy as np

from fairshrink.errors import ConfigError, StoreError
from fairshrink.metrics.thresholds import AtTheta, allowed, exit_rule
from fairshrink.report.audited import Number


@dataclass(frozen=True, slots=True)
class ExitPoint:
    """What a model did at one threshold, or (theta None) with all images sent to one exit; on validation.

    `leave` has the share of each group that leaves at each exit, [group][exit]; `cost` is the mean over all images.
    """

    theta: Number
    f1: Number
    accuracy: Number
    gaps: dict[str, Number]
    leave: list[list[Number]]
    cost: float


@dataclass(frozen=True, slots=True)
class ExitCurve:
    """Points along the threshold, ascending, and every exit used alone, the final one last."""

    curve: list[ExitPoint]
    single: list[ExitPoint]


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """exits.json of one fold.

    Attributes:
        theta: The threshold that was chosen on validation.
        rule: By which rule.
        grid: Among which thresholds; the curve has more points than these.
        costs: Of an image that leaves at each exit: MACs up to and including it, the heads before it among them.
        val: What was seen on validation.
        leave: The share of each group's test images that leaves at each exit, [group][exit].
        groups: Their names.
        taps: The names of the exits before the final one.
        saved: Mean cost on test, as a share of the final exit's.
    """

    theta: float
    rule: str
    grid: list[float]
    costs: list[float]
    val: ExitCurve
    leave: list[list[Number]]
    groups: list[str]
    taps: list[str]
    saved: float

    @property
    def names(self) -> list[str]:
        """Every exit's name, the final one last."""
        return [*self.taps, "final"]

    @property
    def chosen(self) -> ExitPoint:
        """What the chosen threshold does on validation."""
        return next(point for point in self.val.curve if point.theta == self.theta)

    @property
    def final(self) -> ExitPoint:
        """Running to the end, on validation."""
        return self.val.single[-1]

    @property
    def ruled(self) -> bool:
        """Whether the rule allowed a threshold of the grid; without one the largest is taken."""
        points = [_as_measured(point) for point in self.val.curve if point.theta in self.grid]
        return any(allowed(points, _as_measured(self.final), self.rule))


def check_exits(found: ExitRecord, file: str, advice: str) -> None:
    """Raise StoreError unless exits, groups and thresholds of the record fit each other."""
    exits, points = len(found.taps) + 1, [*found.val.curve, *found.val.single]
    tables = [found.leave, *(point.leave for point in points)]
    lengths = {len(found.costs), len(found.val.single), *(len(row) for table in tables for row in table)}
    if lengths != {exits}:
        raise StoreError(
            f"'{file}' has the exits {found.names}, but {sorted(lengths)} costs, single exits or shares: expected {exits} of "
            f"each. {advice}"
        )
    if (sizes := {len(table) for table in tables}) != {len(found.groups)}:
        raise StoreError(f"'{file}' has the groups {found.groups}, but shares of {sorted(sizes)} groups. {advice}")
    if not all(cost > 0 for cost in found.costs):
        raise StoreError(f"'{file}' has the costs {found.costs}, expected numbers above 0. {advice}")
    _check_thetas(found, file, advice)


def _check_thetas(found: ExitRecord, file: str, advice: str) -> None:
    """The curve has each threshold once, ascending, the grid and the chosen one among them; the rule's gap is in every point."""
    thetas = [nan if point.theta is None else point.theta for point in found.val.curve]
    ascends = all(0 < theta <= 1 for theta in thetas) and all(np.diff(thetas) > 0)
    if not ascends or not found.grid or not {found.theta, *found.grid} <= set(thetas):
        raise StoreError(
            f"'{file}' chose theta {found.theta:g} from {found.grid}, but its curve has not each of them once, ascending, among "
            f"its {len(thetas)} thresholds from 0 (left out) to 1. {advice}"
        )
    try:
        metric = exit_rule(found.rule).metric
    except ConfigError as error:
        raise StoreError(f"'{file}': {error} {advice}") from error
    if any(metric not in point.gaps for point in [*found.val.curve, *found.val.single]):
        raise StoreError(f"'{file}' went by the rule '{found.rule}', but a point of it has no {metric}. {advice}")


def check_same(found: Iterable[ExitRecord], place: str, advice: str) -> None:
    """Raise StoreError unless the folds of a stage have the same exits, groups, rule and grid."""
    kinds = list(dict.fromkeys((tuple(one.names), tuple(one.groups), one.rule, tuple(one.grid)) for one in found))
    if len(kinds) > 1:
        raise StoreError(
            f"'{place}': the exits.json of its folds have different exits, groups, rules or grids: {kinds[0]} and {kinds[1]}. "
            f"{advice}"
        )


def _as_measured(point: ExitPoint) -> AtTheta:
    """The point with NaN where it is undefined."""
    gaps = {name: _number(value) for name, value in point.gaps.items()}
    scores = _number(point.f1), _number(point.accuracy)
    return AtTheta(_number(point.theta), *scores, gaps, np.array(point.leave, dtype=np.float64), point.cost)


def _number(value: float | None) -> float:
    return nan if value is None else float(value)
