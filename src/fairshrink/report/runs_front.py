"""Macro F1 against the gap: which models no other beats, and how much of the plane they cover."""

from typing import NamedTuple

import numpy as np

from fairshrink.metrics.hypervolume import contributions, hypervolume
from fairshrink.metrics.tradeoff import pareto_front
from fairshrink.report.runs_grouped import Method, Section
from fairshrink.report.runs_measured import Estimate, gap, known, macro_f1

GAP = "eopp1"


class Place(NamedTuple):
    """A model in the plane."""

    method: Method
    f1: Estimate
    gap: Estimate
    front: bool
    beaten_by: tuple[int, ...]
    adds: float | None


class Front(NamedTuple):
    """All models of a section in the plane of one attribute.

    Attributes:
        attribute: Whose gap it is.
        places: One per method.
        covered: Hypervolume of all.
        vanilla: Hypervolume of the vanilla models alone.
    """

    attribute: str
    places: tuple[Place, ...]
    covered: float
    vanilla: float


def front(section: Section, attribute: str) -> Front:
    """The plane of one attribute: mean macro F1 (average of the groups) against the mean of `GAP`."""
    f1 = [macro_f1(method, attribute) for method in section.methods]
    gaps = [gap(method, attribute, GAP) for method in section.methods]
    points = [(_number(a.value), _number(b.value)) for a, b in zip(f1, gaps, strict=True)]
    best, adds = set(pareto_front(points)), contributions(points)
    places = tuple(
        Place(method, f1[i], gaps[i], i in best, _beaten_by(points, i, section), known(adds[i]))
        for i, method in enumerate(section.methods)
    )
    alone = [point for point, method in zip(points, section.methods, strict=True) if method.vanilla]
    return Front(attribute, places, hypervolume(points), hypervolume(alone))


def _beaten_by(points: list[tuple[float, float]], index: int, section: Section) -> tuple[int, ...]:
    """Numbers of the models that are at least as good in both and better in one."""
    score, gap_ = points[index]
    return tuple(
        method.number
        for method, (other, its_gap) in zip(section.methods, points, strict=True)
        if other >= score and its_gap <= gap_ and (other, its_gap) != (score, gap_)
    )


def _number(value: float | None) -> float:
    return np.nan if value is None else value
