"""Conditions on an audit, for `--fail-if`: [ATTRIBUTE:]METRIC(>|>=|<|<=)NUMBER, or [ATTRIBUTE:]GAP>chance."""

import math
import operator
import re
from dataclasses import dataclass

from fairshrink.audit.attribute import SCORES
from fairshrink.audit.record import Audit
from fairshrink.audit.text import number as in_words
from fairshrink.errors import ConfigError, DataError, suggest
from fairshrink.metrics.gaps import GAPS

SIGNS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_FORM = re.compile(
    r"^\s*(?:(?P<attribute>.+):)?\s*(?P<metric>\w+(?:\[.+\])?)\s*(?P<sign>>=|<=|>|<)\s*(?P<number>[^\s<>=]+)\s*$"
)
_WORST = "worst_group_accuracy"
_CHANCE = "chance"
_HOW = (
    " Write METRIC>NUMBER, as in  eopp1>0.2,  tpr[mel]>=0.1,  sex:eodd>0.05  or  worst_group_accuracy<0.7,  or GAP>chance, "
    "as in  sex:tpr[mel]>chance."
)


@dataclass(frozen=True)
class Rule:
    """One condition.

    Attributes:
        text: As it was written.
        attribute: Where it is to be looked at; None: in every attribute, and one is enough.
        metric: A gap, `tpr[CLASS]`, worst_group_accuracy, or a score of all rows.
        sign: One of `SIGNS`.
        number: What the metric is compared with; None: its own null floor, for a single class the one that holds for a
            class named beforehand, as a condition names it.
    """

    text: str
    attribute: str | None
    metric: str
    sign: str
    number: float | None


def parse_rule(text: str) -> Rule:
    """Reads a condition; nothing is evaluated.

    Raises:
        ConfigError: It has another form, or its number is none.
    """
    found = _FORM.match(text)
    if not found:
        raise ConfigError(f"cannot read the condition '{text}'.{_HOW}")
    limit = None if found["number"] == _CHANCE else _finite(found["number"])
    if limit is None and found["sign"] != ">":
        raise ConfigError(
            f"the condition '{text}' compares with chance by '{found['sign']}': only '>' says something.{_HOW}"
        )
    if limit is not None and math.isnan(limit):
        raise ConfigError(f"the condition '{text}' compares with '{found['number']}', expected a number.{_HOW}")
    attribute = found["attribute"].strip() if found["attribute"] else None
    return Rule(text.strip(), attribute, found["metric"], found["sign"], limit)


def check_rule(rule: Rule, audit: Audit) -> list[str]:
    """Where the condition holds, one sentence each; empty when it does not.

    Raises:
        ConfigError: The audit has no such attribute or metric; the nearest is named.
        DataError: The metric is undefined (NaN) or suppressed, so that the condition cannot be decided.
    """
    values = _values(rule, audit)
    undefined = [place for place, (value, _) in values.items() if math.isnan(value)]
    if undefined:
        raise DataError(
            f"the condition '{rule.text}' cannot be decided: {rule.metric} is {_why(rule, audit, undefined)}. "
            "Choose another metric, or name the attribute, as in  sex:eopp1>0.2."
        )
    return [
        f"{rule.text} holds: {rule.metric} is {in_words(value)}{_above(rule, limit)} ({place})"
        for place, (value, limit) in values.items()
        if SIGNS[rule.sign](value, limit)
    ]


def _finite(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _above(rule: Rule, limit: float) -> str:
    return f", above the {in_words(limit)} that chance reaches" if rule.number is None else ""


def _why(rule: Rule, audit: Audit, places: list[str]) -> str:
    least = next(iter(audit.attributes.values())).min_cell
    name = rule.metric.removeprefix("tpr[").removesuffix("]")
    hidden = [
        place
        for place in places
        if any(cell["class"] == name and math.isnan(cell["n"]) for cell in audit.attributes[place].small_cells)
    ]
    if hidden:
        return f"not shown for {', '.join(hidden)}: cells of fewer than {least} rows are suppressed (min_cell)"
    return f"undefined for {', '.join(places)}, where no class can be compared"


def _values(rule: Rule, audit: Audit) -> dict[str, tuple[float, float]]:
    """The metric at every place where it is to be looked at, and what it is compared with there."""
    if rule.attribute is not None and rule.attribute not in audit.attributes:
        raise ConfigError(
            f"the condition '{rule.text}' names the attribute '{rule.attribute}'.{suggest(rule.attribute, audit.attributes)}"
        )
    if rule.number is None and rule.metric in (*SCORES, _WORST):
        raise ConfigError(f"the condition '{rule.text}': {rule.metric} has no chance level, only gaps have.{_HOW}")
    if rule.metric in SCORES and rule.attribute is None and rule.number is not None:
        return {"all rows": (float(audit.overall[rule.metric]), rule.number)}
    chosen = [rule.attribute] if rule.attribute is not None else list(audit.attributes)
    values = {name: _of_attribute(rule, audit, name) for name in chosen}
    return {name: value for name, value in values.items() if value is not None} or _unknown(rule, audit)


def _of_attribute(rule: Rule, audit: Audit, name: str) -> tuple[float, float] | None:
    found = audit.attributes[name]
    if rule.metric == _WORST and rule.number is not None:
        return found.worst_group_accuracy, rule.number
    gap = (found.gaps | found.class_gaps).get(rule.metric)
    if gap is None:
        return None
    return gap.value, gap.null_alone if rule.number is None else rule.number


def _unknown(rule: Rule, audit: Audit) -> dict[str, tuple[float, float]]:
    if rule.metric in SCORES:
        raise ConfigError(f"the condition '{rule.text}': {rule.metric} is of all rows. Leave out '{rule.attribute}:'.")
    known = [*GAPS, _WORST, *SCORES, *(f"tpr[{name}]" for name in audit.class_names)]
    raise ConfigError(f"the condition '{rule.text}' names '{rule.metric}'.{suggest(rule.metric, known)}")
