"""Conditions on an audit, for `--fail-if`: [ATTRIBUTE:]METRIC(>|>=|<|<=)NUMBER."""

import math
import operator
import re
from dataclasses import dataclass

from fairshrink.audit.core import SCORES
from fairshrink.audit.record import Audit
from fairshrink.audit.text import number as in_words
from fairshrink.errors import ConfigError, DataError, suggest
from fairshrink.metrics.gaps import GAPS

SIGNS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_FORM = re.compile(
    r"^\s*(?:(?P<attribute>.+):)?\s*(?P<metric>\w+(?:\[.+\])?)\s*(?P<sign>>=|<=|>|<)\s*(?P<number>[^\s<>=]+)\s*$"
)
_WORST = "worst_group_accuracy"
_HOW = " Write METRIC>NUMBER, as in  eopp1>0.2,  tpr[mel]>=0.1,  sex:eodd>0.05  or  worst_group_accuracy<0.7."


@dataclass(frozen=True)
class Rule:
    """One condition.

    Attributes:
        text: As it was written.
        attribute: Where it is to be looked at; None: in every attribute, and one is enough.
        metric: A gap, `tpr[CLASS]`, worst_group_accuracy, or a score of all rows.
        sign: One of `SIGNS`.
        number: What the metric is compared with.
    """

    text: str
    attribute: str | None
    metric: str
    sign: str
    number: float


def parse_rule(text: str) -> Rule:
    """Reads a condition; nothing is evaluated.

    Raises:
        ConfigError: It has another form, or its number is none.
    """
    found = _FORM.match(text)
    if not found:
        raise ConfigError(f"cannot read the condition '{text}'.{_HOW}")
    try:
        limit = float(found["number"])
    except ValueError:
        limit = math.nan
    if not math.isfinite(limit):
        raise ConfigError(f"the condition '{text}' compares with '{found['number']}', expected a number.{_HOW}")
    attribute = found["attribute"].strip() if found["attribute"] else None
    return Rule(text.strip(), attribute, found["metric"], found["sign"], limit)


def check_rule(rule: Rule, audit: Audit) -> list[str]:
    """Where the condition holds, one sentence each; empty when it does not.

    Raises:
        ConfigError: The audit has no such attribute or metric; the nearest is named.
        DataError: The metric is undefined (NaN), so that the condition cannot be decided.
    """
    values = _values(rule, audit)
    undefined = [place for place, value in values.items() if math.isnan(value)]
    if undefined:
        raise DataError(
            f"the condition '{rule.text}' cannot be decided: {rule.metric} is undefined for {', '.join(undefined)}, "
            "where no class can be compared. Choose another metric, or name the attribute, as in  sex:eopp1>0.2."
        )
    return [
        f"{rule.text} holds: {rule.metric} is {in_words(value)} ({place})"
        for place, value in values.items()
        if SIGNS[rule.sign](value, rule.number)
    ]


def _values(rule: Rule, audit: Audit) -> dict[str, float]:
    """The metric at every place where it is to be looked at."""
    if rule.attribute is not None and rule.attribute not in audit.attributes:
        raise ConfigError(
            f"the condition '{rule.text}' names the attribute '{rule.attribute}'.{suggest(rule.attribute, audit.attributes)}"
        )
    if rule.metric in SCORES and rule.attribute is None:
        return {"all rows": float(audit.overall[rule.metric])}
    chosen = [rule.attribute] if rule.attribute is not None else list(audit.attributes)
    values = {name: _of_attribute(rule.metric, audit, name) for name in chosen}
    return {name: value for name, value in values.items() if value is not None} or _unknown(rule, audit)


def _of_attribute(metric: str, audit: Audit, name: str) -> float | None:
    found = audit.attributes[name]
    if metric == _WORST:
        return found.worst_group_accuracy
    gap = (found.gaps | found.class_gaps).get(metric)
    return None if gap is None else gap.value


def _unknown(rule: Rule, audit: Audit) -> dict[str, float]:
    if rule.metric in SCORES:
        raise ConfigError(f"the condition '{rule.text}': {rule.metric} is of all rows. Leave out '{rule.attribute}:'.")
    known = [*GAPS, _WORST, *SCORES, *(f"tpr[{name}]" for name in audit.class_names)]
    raise ConfigError(f"the condition '{rule.text}' names '{rule.metric}'.{suggest(rule.metric, known)}")
