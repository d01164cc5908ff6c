"""Which candidate of a grid is taken: named rules that only ever see validation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from math import isfinite, nan
from typing import NamedTuple

import numpy as np

from fairshrink.compress.steps import CRITERIA, Step, mean_f1
from fairshrink.errors import ConfigError, suggest
from fairshrink.metrics.rates import accuracy, f1, lowest
from fairshrink.metrics.tradeoff import fate, pareto_front

AS = "as:"  # followed by the name of an earlier step
FORMS = ("gap:METRIC:LOSS", "fate:METRIC", "pareto:METRIC", "worst-group:SCORE", f"{AS}STEP")
KINDS = tuple(form.partition(":")[0] for form in FORMS)
SCORES = {"accuracy": accuracy, "f1": f1}
LOSSES = ("loss_gap", "class_loss_gap")  # differences of losses, in nats: not from 0 to 1


@dataclass(frozen=True)
class Candidate:
    """One combination of settings: the model it started from and the model it ended with, both on validation."""

    start: Step
    end: Step


@dataclass(frozen=True)
class Rule:
    """How a candidate is chosen.

    Attributes:
        kind: "gap": the smallest criterion among the candidates within a bound on macro F1. "fate": the largest FATE.
            "pareto": the point of the Pareto front that covers the largest area. "worst-group": the largest score of the
            group that has the lowest. "as": what another step chose; nothing is compared.
        metric: One of a step's criteria; of "worst-group", one of `SCORES`.
        loss: How far macro F1 may be below that of the start; None has no bound.
    """

    kind: str
    metric: str
    loss: float | None = None

    @property
    def measure(self) -> str:
        """The name of what it looks at in a model."""
        return f"worst_{self.metric}" if self.kind == "worst-group" else self.metric

    def measured(self, step: Step) -> float:
        """What it looks at in a model; NaN where it is undefined, and where a step knows no probabilities (older records)."""
        if self.kind == "worst-group":
            return float(lowest(SCORES[self.metric](step.counts.counts)))
        return step.criteria.get(self.metric, np.nan)

    def value(self, candidate: Candidate) -> float:
        """What candidates are compared by; NaN where it is undefined."""
        if self.kind == "fate":
            return _fate(self, candidate)
        return _area(self, candidate.end) if self.kind == "pareto" else self.measured(candidate.end)

    def within(self, candidate: Candidate) -> bool:
        """Whether macro F1 is within the bound."""
        return self.loss is None or mean_f1(candidate.end) >= mean_f1(candidate.start) - self.loss

    def words(self) -> str:
        """What it takes, for the record."""
        return {
            "fate": f"the largest FATE of macro F1 against {self.metric}",
            "gap": f"the smallest {self.metric} with macro F1 at most {self.loss or 0:g} below the start",
            "pareto": f"of the Pareto front of macro F1 and {self.metric}, the point that covers the largest area",
            "as": "what the other step chose",
            "worst-group": f"the largest {self.metric} of the group that has the lowest",
        }[self.kind]


class Choice(NamedTuple):
    """What a rule makes of candidates.

    Attributes:
        best: The number of the one that is taken; None: the start itself, because no candidate may be taken, or because
            the start is the best point of the Pareto front.
        values: The rule's value of each.
        within: Whether each is within the bound.
        front: Whether each is on the Pareto front of all of them and the start; None for a rule that knows no front.
        start_on_front: Whether the start is.
    """

    best: int | None
    values: list[float]
    within: list[bool]
    front: list[bool] | None = None
    start_on_front: bool = False


def rule(name: str) -> Rule:
    """A rule by its name.

    Args:
        name: `gap:METRIC:LOSS`, the smallest gap among the candidates whose macro F1 (average of the groups) is at most LOSS
            below the start's; `fate:METRIC`, the trade-off of macro F1 against a gap, relative to the start;
            `pareto:METRIC`, the point of their front that covers the largest area; `worst-group:accuracy` or
            `worst-group:f1`, the best score of the worst group; `as:STEP`, the settings that an earlier step chose.

    Raises:
        ConfigError: There is no rule, gap or score of that name, or the loss is no number from 0 on.
    """
    kind, *rest = name.split(":")
    if kind not in KINDS:
        raise ConfigError(f"there is no rule '{name}' to choose by.{_suggest_rule(kind, rest)}")
    if kind == "as":
        return Rule(kind, "eopp1")
    metric, loss = (*rest, "", "")[:2]
    known, what = (tuple(SCORES), "score") if kind == "worst-group" else (CRITERIA, "gap")
    if metric not in known:
        raise ConfigError(f"the rule '{name}' needs a {what}: there is none called '{metric}'.{suggest(metric, known)}")
    if kind == "gap":
        return Rule(kind, metric, _bound(name, metric, rest, loss))
    if len(rest) > 1:
        raise ConfigError(f"the rule '{name}' has more than a {what}: it knows no bound. Give '{kind}:{metric}'.")
    return Rule(kind, metric)


def _suggest_rule(kind: str, rest: Sequence[str]) -> str:
    """The rule that may have been meant, going by its kind; all forms where none is near."""
    near = get_close_matches(kind.strip().casefold().replace("_", "-"), KINDS, n=1)
    if not near:
        return f" Known: {', '.join(FORMS)}."
    return f" Did you mean '{':'.join((near[0], *rest)) if rest else FORMS[KINDS.index(near[0])]}'?"


def choose(name: str, candidates: Sequence[Candidate]) -> Choice:
    """The best candidate; the first one when several are equal. A candidate whose value is undefined is never taken.

    Where none may be taken (none within the bound, FATE undefined because the start has no gap), the start is taken as it
    is: the least bad of what was not asked for is no choice. Only "pareto" compares the start with the candidates, as one
    more point; a candidate that is as good as the start is taken.

    Args:
        name: The rule's.
        candidates: What it may see: counts and sums on validation, of one start. It is given nothing else, no path and no
            data, so that no rule can look at a test image.

    Raises:
        ConfigError: There is no such rule.
    """
    chosen_by = rule(name)
    values = [chosen_by.value(candidate) for candidate in candidates]
    within = [chosen_by.within(candidate) for candidate in candidates]
    if chosen_by.kind == "pareto":
        return _of_front(chosen_by, candidates, values)
    sign = -1 if chosen_by.kind == "gap" else 1
    ranked = [sign * value if inside else np.nan for value, inside in zip(values, within, strict=True)]
    return Choice(_largest(ranked), values, within)


def _of_front(chosen_by: Rule, candidates: Sequence[Candidate], values: list[float]) -> Choice:
    """The point of the front that covers the largest area.

    The knee of a front depends on its ends, so that one candidate more, far away, moves it; and of two points neither is
    the knee. The area of a point depends on that point alone.

    Source: the hypervolume of one point (Zitzler and Thiele 1998), from a macro F1 of 0 and a gap of 1.
    """
    steps = [*(candidate.end for candidate in candidates), candidates[0].start]
    on_front = set(pareto_front([(mean_f1(step), chosen_by.measured(step)) for step in steps]))
    areas = [*values, _area(chosen_by, candidates[0].start)]
    best = _largest([area if at in on_front else np.nan for at, area in enumerate(areas)])
    count = len(candidates)
    front = [at in on_front for at in range(count)]
    return Choice(best if best != count else None, values, [True] * count, front, count in on_front)


def _largest(values: Sequence[float]) -> int | None:
    """Where the largest value is, the first of several; None when all are undefined."""
    known = [-np.inf if np.isnan(value) else value for value in values]
    return int(np.argmax(known)) if np.isfinite(known).any() else None


def _area(chosen_by: Rule, step: Step) -> float:
    """Macro F1 times what the gap leaves of 1: the part of the plane that a model is better than.

    A difference of mean losses has no largest value; exp of minus it, the ratio of the groups' geometric mean
    probabilities of the true class, is 1 without a gap, too.
    """
    gap = chosen_by.measured(step)
    return mean_f1(step) * (float(np.exp(-gap)) if chosen_by.metric in LOSSES else 1 - gap)


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


def _fate(chosen_by: Rule, candidate: Candidate) -> float:
    start, end = candidate.start, candidate.end
    f1_before, gap_before = mean_f1(start), chosen_by.measured(start)
    if f1_before == 0 or gap_before == 0:
        return np.nan  # FATE divides by both: a start without a gap, or without a right answer, has no FATE
    return fate(mean_f1(end), f1_before, chosen_by.measured(end), gap_before)


def _bound(name: str, metric: str, rest: Sequence[str], loss: str) -> float:
    try:
        value = float(loss)
    except ValueError:
        value = nan
    if len(rest) != 2 or not isfinite(value) or value < 0:
        raise ConfigError(
            f"the rule '{name}' needs how far macro F1 may fall, a number from 0 on: give 'gap:{metric}:0.01', for instance."
        )
    return value
