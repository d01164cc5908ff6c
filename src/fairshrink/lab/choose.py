"""Which candidate of a grid is taken: named rules that only ever see validation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import NamedTuple

import numpy as np

from fairshrink.compress.steps import CRITERIA, Step, mean_f1
from fairshrink.errors import ConfigError, suggest
from fairshrink.metrics.tradeoff import fate

FORMS = ("fate:METRIC", "gap:METRIC:LOSS")
KINDS = tuple(form.partition(":")[0] for form in FORMS)


@dataclass(frozen=True)
class Candidate:
    """One combination of settings: the model it started from and the model it ended with, both on validation."""

    start: Step
    end: Step


@dataclass(frozen=True)
class Rule:
    """How a candidate is chosen.

    Attributes:
        kind: "fate": the largest FATE. "gap": the smallest criterion among the candidates within a bound on macro F1.
        metric: One of a step's criteria.
        loss: How far macro F1 may be below that of the start; None has no bound.
    """

    kind: str
    metric: str
    loss: float | None = None

    def value(self, candidate: Candidate) -> float:
        """What candidates are compared by; NaN where it is undefined."""
        return _fate(candidate, self.metric) if self.kind == "fate" else _criterion(candidate.end, self.metric)

    def within(self, candidate: Candidate) -> bool:
        """Whether macro F1 is within the bound."""
        return self.loss is None or mean_f1(candidate.end) >= mean_f1(candidate.start) - self.loss

    def words(self) -> str:
        """What it takes, for the record."""
        if self.kind == "fate":
            return f"the largest FATE of macro F1 against {self.metric}"
        return f"the smallest {self.metric} with macro F1 at most {self.loss:g} below the start"


class Choice(NamedTuple):
    """What a rule makes of candidates.

    Attributes:
        best: The number of the one that is taken; None: the start itself, because none is within the bound.
        values: The rule's value of each.
        within: Whether each is within the bound.
    """

    best: int | None
    values: list[float]
    within: list[bool]


def rule(name: str) -> Rule:
    """A rule by its name.

    Args:
        name: `fate:METRIC`, the trade-off of macro F1 (average of the groups) against a gap, relative to the start; or
            `gap:METRIC:LOSS`, the smallest gap among the candidates whose macro F1 is at most LOSS below the start's.

    Raises:
        ConfigError: There is no rule or no gap of that name, or the loss is no number from 0 on.
    """
    kind, *rest = name.split(":")
    if kind not in KINDS:
        raise ConfigError(f"there is no rule '{name}' to choose by.{suggest(name, FORMS)}")
    metric, loss = (*rest, "", "")[:2]
    if metric not in CRITERIA:
        raise ConfigError(f"the rule '{name}' needs a gap: there is none called '{metric}'.{suggest(metric, CRITERIA)}")
    if kind == "fate":
        if len(rest) > 1:
            raise ConfigError(f"the rule '{name}' has more than a gap: FATE knows no bound. Give 'fate:{metric}'.")
        return Rule(kind, metric)
    if len(rest) != 2 or (bound := _number(loss)) is None:
        raise ConfigError(
            f"the rule '{name}' needs how far macro F1 may fall, a number from 0 on: give 'gap:{metric}:0.01', for instance."
        )
    return Rule(kind, metric, bound)


def choose(name: str, candidates: Sequence[Candidate]) -> Choice:
    """The best candidate; the first one when several are equal.

    FATE: an undefined value (a group without a class, say) counts as the worst; when all are undefined the first candidate is
    taken, which the record shows by its null values. Gap: an undefined value is never taken. Where none is within the
    bound, the start is taken as it is: that macro F1 falls no further is what the rule promises.

    Raises:
        ConfigError: There is no such rule.
    """
    chosen_by = rule(name)
    values = [chosen_by.value(candidate) for candidate in candidates]
    within = [chosen_by.within(candidate) for candidate in candidates]
    if chosen_by.kind == "fate":
        return Choice(int(np.argmax([-np.inf if np.isnan(v) else v for v in values])), values, within)
    allowed = [np.inf if np.isnan(v) or not inside else v for v, inside in zip(values, within, strict=True)]
    return Choice(int(np.argmin(allowed)) if np.isfinite(allowed).any() else None, values, within)


def together(candidates: Sequence[Candidate]) -> Candidate:
    """One setting in several folds: the predictions on all their validation parts as if they were one model's."""
    return Candidate(*(_sum([getattr(one, name) for one in candidates]) for name in ("start", "end")))


def may_see(fold: int, folds: int) -> list[int]:
    """The folds whose validation part a choice for one fold may look at.

    Fold j validates on the images that fold j + 1 tests, so the choice for fold k must not see that of fold k - 1.

    Args:
        fold: k.
        folds: How many there are; with one, its own.
    """
    return [other for other in range(folds) if folds == 1 or other != (fold - 1) % folds]


def _sum(steps: Sequence[Step]) -> Step:
    first, *others = steps
    counts, soft = first.counts, first.soft
    for step in others:
        counts = counts + step.counts
        soft = None if soft is None or step.soft is None else soft + step.soft
    return replace(first, counts=counts, soft=soft)


def _fate(candidate: Candidate, metric: str) -> float:
    start, end = candidate.start, candidate.end
    f1_before, gap_before = mean_f1(start), _criterion(start, metric)
    if f1_before == 0 or gap_before == 0:
        return np.nan  # FATE divides by both: a start without a gap, or without a right answer, has no FATE
    return fate(mean_f1(end), f1_before, _criterion(end, metric), gap_before)


def _criterion(step: Step, metric: str) -> float:
    """NaN also where a step knows no probabilities, as one that an older version wrote."""
    return step.criteria.get(metric, np.nan)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) and value >= 0 else None
