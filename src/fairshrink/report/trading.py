"""What a setting such as beta trades at one share of fixed weights: F1 against EOpp1, all folds together, on validation."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fairshrink.report import control, fixing, grids, style
from fairshrink.report.ablation import Family
from fairshrink.report.grids import RATIO, Way
from fairshrink.report.pooled import Point, point, shared_ratios
from fairshrink.report.records import Run, Stage, Step
from fairshrink.report.style import Look
from fairshrink.report.words import percent


class Along(NamedTuple):
    """Points of one stage along one of its settings."""

    label: str
    setting: str
    rest: dict[str, Any]
    points: list[tuple[float, Point]]
    chosen: frozenset[float]
    look: Look


class Trade(NamedTuple):
    """F1 and EOpp1 at one share of fixed weights: lines along a setting, and the other stages, each a point."""

    ratio: float
    lines: list[Along]
    others: list[tuple[str, Point, Look]]


def trade(run: Run, family: Family) -> Trade | None:
    """What a setting such as beta trades, at the share of fixed weights where most folds stopped; None without one."""
    parts = {stage.label: part for stage in family.stages if (part := _line(stage)) is not None}
    if not parts:
        return None
    first = next(stage for stage in family.stages if stage.label in parts)
    shared = set.intersection(*(_reached(ways) for _, ways in parts.values()))
    ends = [ratio for ratio in grids.stops(first).values() if ratio in shared]
    if not shared - {family.start.ratio}:
        return None
    ratio = max(ends, key=ends.count) if ends else max(shared)
    looks = {stage.label: style.of_model(run.stages.index(stage)) for stage in family.stages}
    lines = [
        _along(stage, *parts[stage.label], ratio, looks[stage.label]) for stage in family.stages if stage.label in parts
    ]
    others = [
        (label, point, looks[stage.label])
        for stage in family.stages
        if stage.label not in parts
        for label, point in _single(stage, ratio)
    ]
    return Trade(ratio, lines, [*others, *_controls(run, family, ratio)])


def _controls(run: Run, family: Family, ratio: float) -> list[tuple[str, Point, Look]]:
    """The controls of a family's stages, each after as much further training as its stage had at the ratio."""
    found = {}
    for stage in reversed(family.stages):
        beside, steps = fixing.control_of(run, stage), control.steps_of(run, stage)
        if beside is not None and ratio in shared_ratios(steps) and len(steps) == len(grids.chosen_way(stage)):
            found[beside.label] = _at(steps, ratio), style.of_model(run.stages.index(beside))
    return [(label, *what) for label, what in found.items()]


def _line(stage: Stage) -> tuple[str, list[Way]] | None:
    """The first setting beside the ratio that is a number, and the ways that differ in it from the one most chosen."""
    setting = next((key for key in grids.numbers(stage) if key != RATIO), None)
    if setting is None:
        return None
    taken = grids.without_ratio(grids.most_chosen(stage) or grids.ways(stage)[0].params)
    ways = [way for way in grids.ways(stage) if _but(way.params, setting) == _but(taken, setting)]
    return setting, sorted(ways, key=lambda way: way.params[setting])


def _but(params: Mapping[str, Any], setting: str) -> dict[str, Any]:
    return {key: value for key, value in params.items() if key != setting}


def _reached(ways: Sequence[Way]) -> set[float]:
    return set.intersection(*(set(shared_ratios(way.steps)) for way in ways))


def _along(stage: Stage, setting: str, ways: Sequence[Way], ratio: float, look: Look) -> Along:
    found = [(float(way.params[setting]), _at(way.steps, ratio)) for way in ways]
    chosen = frozenset(float(one[setting]) for one in grids.chosen_params(stage).values())
    rest = _but(ways[0].params, setting) if len([key for key in grids.varying(stage) if key != RATIO]) > 1 else {}
    return Along(stage.label, setting, rest, found, chosen, look)


def _at(steps: Mapping[int, Mapping[float, Step]], ratio: float) -> Point:
    return point(ratio, [of[ratio] for of in steps.values()], sure=True)


def _single(stage: Stage, ratio: float) -> list[tuple[str, Point]]:
    """A stage without such a setting, at the same share of fixed weights, else at the nearest that it has."""
    chosen = grids.chosen_way(stage)
    there = [at for at in shared_ratios(chosen) if at > 0]
    if not there:
        return []
    nearest = min(there, key=lambda at: abs(at - ratio))
    label = stage.label if nearest == ratio else f"{stage.label} at {percent(nearest, 0)}"
    return [(label, _at(chosen, nearest))]
