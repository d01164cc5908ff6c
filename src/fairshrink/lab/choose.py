"""Which candidate of a grid is taken: named rules that only ever see validation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fairshrink.compress.stopping import Step
from fairshrink.errors import ConfigError, suggest
from fairshrink.metrics.gaps import GAPS
from fairshrink.metrics.rates import f1
from fairshrink.metrics.tradeoff import fate


@dataclass(frozen=True)
class Candidate:
    """One combination of settings: the model it started from and the model it ended with, both on validation."""

    start: Step
    end: Step


Rule = Callable[[Candidate], float]


def rule(name: str) -> Rule:
    """The value by which candidates are compared; the largest is taken.

    Args:
        name: `fate:METRIC`, the trade-off of macro F1 (average of the groups) against a gap, relative to the start.

    Raises:
        ConfigError: There is no rule or no gap of that name.
    """
    kind, _, metric = name.partition(":")
    if kind not in RULES:
        raise ConfigError(f"there is no rule '{name}' to choose by.{suggest(kind, [f'{r}:METRIC' for r in RULES])}")
    if metric not in GAPS:
        raise ConfigError(f"the rule '{name}' needs a gap: there is none called '{metric}'.{suggest(metric, GAPS)}")
    return lambda candidate: RULES[kind](candidate, metric)


def choose(name: str, candidates: Sequence[Candidate]) -> tuple[int, list[float]]:
    """The number of the best candidate and the value of each; the first one when several are equal.

    An undefined value (a group without a class, say) counts as the worst. When all are undefined the first is taken,
    which the record shows by its null values.

    Raises:
        ConfigError: There is no such rule.
    """
    value = rule(name)
    values = [value(candidate) for candidate in candidates]
    comparable = [-np.inf if np.isnan(v) else v for v in values]
    return int(np.argmax(comparable)), values


def mean_f1(step: Step) -> float:
    """Macro F1, averaged over the groups."""
    return float(np.mean(f1(step.counts.counts)))


def _fate(candidate: Candidate, metric: str) -> float:
    start, end = candidate.start, candidate.end
    f1_before, gap_before = mean_f1(start), start.gaps[metric]
    if f1_before == 0 or gap_before == 0:
        return np.nan  # FATE divides by both: a start without a gap, or without a right answer, has no FATE
    return fate(mean_f1(end), f1_before, end.gaps[metric], gap_before)


RULES: dict[str, Callable[[Candidate, str], float]] = {"fate": _fate}
