"""Numbers and names as a reader sees them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from fairshrink.report.audited import Gap
from fairshrink.report.compared import Change

MISSING = "–"
GAP_NAMES = {"eopp1": "EOpp1", "eopp0": "EOpp0", "eodd": "EOdd", "eodd_max": "EOdd max"}
OF_GROUPS = {"average_f1": "macro F1, average", "worst_group_accuracy": "lowest accuracy"}
CRITERIA = {
    "soft_eopp1": "soft EOpp1",
    "loss_gap": "loss gap",
    "class_loss_gap": "loss gap by class",
    "worst_accuracy": "lowest accuracy of a group",
    "worst_f1": "lowest macro F1 of a group",
}
CRITERIA_ARE = {
    "soft_eopp1": "EOpp1 of the mean probability of the true class",
    "loss_gap": "the difference of the groups' mean losses",
    "class_loss_gap": "the same class by class, averaged over the classes",
}
FULL_NAMES = {
    "eopp1": "recognised when it is there (TPR)",
    "eopp0": "left alone when it is not (TNR)",
    "eodd": "both, averaged with their signs",
    "eodd_max": "both, the larger difference",
}


def number(value: float | None, digits: int = 3) -> str:
    """A value with fixed digits; what is undefined is a dash.

    >>> number(0.08549), number(None), number(-0.0001)
    ('0.085', '–', '0.000')
    """
    if value is None:
        return MISSING
    text = f"{value:.{digits}f}"
    return f"{0:.{digits}f}" if float(text) == 0 else text.replace("-", "−")


def signed(value: float | None, digits: int = 3) -> str:
    """A change, its sign always shown.

    >>> signed(0.02), signed(-0.02), signed(0.0)
    ('+0.020', '−0.020', '0.000')
    """
    text = number(value, digits)
    return f"+{text}" if value is not None and value > 0 and text.strip("0.") else text


def probability(p: float | None) -> str:
    """A p-value; a very small one is not called 0.

    >>> probability(0.0312), probability(0.0004)
    ('0.031', '<0.001')
    """
    return "<0.001" if p is not None and p < 0.001 else number(p)


def percent(fraction: float | None, digits: int = 1) -> str:
    r"""A share in percent.

    >>> percent(0.35), percent(1)
    ('35.0\xa0%', '100.0\xa0%')
    """
    return MISSING if fraction is None else f"{number(100 * fraction, digits)}\u00a0%"


def count(value: int) -> str:
    """A count with its thousands apart.

    >>> count(10015)
    '10,015'
    """
    return f"{value:,}"


def counted(value: int | None, min_cell: int | None) -> str:
    """A count of a cell; one that was suppressed, or that is to be, is not shown.

    >>> counted(1200, None), counted(None, 10), counted(7, 10), counted(0, 10), counted(None, None)
    ('1,200', 'hidden', 'hidden', '0', '–')
    """
    if is_hidden(value, min_cell):
        return "hidden"
    return MISSING if value is None else count(value)


def is_hidden(value: int | None, min_cell: int | None) -> bool:
    """Whether a cell's count is not to be shown: it was suppressed, or lies below the limit although it was not."""
    return min_cell is not None and (value is None or 0 < value < min_cell)


def moment(text: object) -> str:
    """A time as it is written down, for a reader; anything else as it came.

    >>> moment("2026-01-05T09:12:40+00:00")
    '2026-01-05 09:12 UTC'
    """
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return str(text)
    return f"{time:%Y-%m-%d %H:%M} {time.tzname() or ''}".strip()


def plural(value: int, one: str, many: str | None = None) -> str:
    """A count with its noun.

    >>> plural(1, "fold"), plural(5, "fold")
    ('1 fold', '5 folds')
    """
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def interval(gap: Gap) -> str:
    """Low and high of a gap, never torn apart by the end of a line."""
    return f"{number(gap.low)}\u00a0to\u00a0{number(gap.high)}"


def signed_interval(change: Change) -> str:
    """The ends of a change's interval, their signs shown."""
    return f"{signed(change.low)}\u00a0to\u00a0{signed(change.high)}"


def listed(words: Sequence[str]) -> str:
    """Words in a sentence.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def settings(params: Mapping[str, Any]) -> str:
    """A method's settings on one line.

    >>> settings({"ratio": 0.35, "beta": 1 / 3}), settings({})
    ('ratio 0.35, beta 0.3333', '')
    >>> settings({"bits": [None, 5]})
    'any exponent or 5 bits'
    """
    return ", ".join(_bits(value) if key == "bits" else f"{key} {_setting(value)}" for key, value in params.items())


def varying(params: Sequence[Mapping[str, Any]]) -> list[str]:
    """A short name for each candidate of a grid: only the settings in which they differ.

    >>> varying([{"ratio": 0.35, "beta": 0.2}, {"ratio": 0.35, "beta": 0.5}])
    ['beta 0.2', 'beta 0.5']
    """
    keys = [key for key in dict.fromkeys(k for p in params for k in p) if len({repr(p.get(key)) for p in params}) > 1]
    return [settings({key: p[key] for key in keys if key in p}) or settings(p) or "as set" for p in params]


def gap_name(name: str) -> str:
    """A gap, or another criterion of choice, as it is printed."""
    return GAP_NAMES.get(name, CRITERIA.get(name, name))


def statistic_name(name: str) -> str:
    """A gap, or that of a single class, as it is printed.

    >>> statistic_name("eopp1"), statistic_name("tpr[mel]")
    ('EOpp1', 'TPR of mel')
    """
    return f"TPR of {name[4:-1]}" if name.startswith("tpr[") and name.endswith("]") else gap_name(name)


def in_order(names: Iterable[str]) -> list[str]:
    """Names of gaps, the one that most readers ask for first.

    >>> in_order(["eopp0", "mine", "eopp1"])
    ['eopp1', 'eopp0', 'mine']
    """
    first = {name: place for place, name in enumerate(GAP_NAMES)}
    return sorted(names, key=lambda name: first.get(name, len(first)))


class Rule(NamedTuple):
    """A rule of choice, read: what it minimises or weighs, and how much macro F1 it lets go (None: no bound)."""

    kind: str
    metric: str
    most_lost: float | None = None

    @property
    def direct(self) -> bool:
        """Whether it compares candidates by the metric itself."""
        return self.kind in ("gap", "worst-group")

    @property
    def value_name(self) -> str:
        """What it compares candidates by."""
        return gap_name(self.metric) if self.direct else "area" if self.kind == "pareto" else "FATE"


def read_rule(name: str | None) -> Rule:
    """The parts of a rule's name; what is no number is no bound.

    >>> read_rule("gap:soft_eopp1:0.01")
    Rule(kind='gap', metric='soft_eopp1', most_lost=0.01)
    """
    kind, metric, bound, *_ = [*(name or "").split(":"), "", ""]
    if kind == "worst-group":
        return Rule(kind, f"worst_{metric}")
    if kind == "as":  # A step that goes by another's choice measures this gap.
        return Rule(kind, "eopp1")
    try:
        return Rule(kind, metric, float(bound))
    except ValueError:
        return Rule(kind, metric)


def rule(name: str | None) -> str:
    """A rule of choice in plain words.

    >>> rule("fate:eopp1")
    'the largest FATE in EOpp1 on validation, relative to the model it started from'
    >>> rule("gap:eopp1:0.01")
    'the smallest EOpp1 on validation among those whose macro F1 there is at most 0.01 below the model it started from'
    """
    found = read_rule(name)
    if found.kind == "as":
        return f"what '{str(name).removeprefix('as:')}' chose"
    what = gap_name(found.metric) + (f" ({CRITERIA_ARE[found.metric]})" if found.metric in CRITERIA_ARE else "")
    if found.kind == "fate":
        return f"the largest FATE in {what} on validation, relative to the model it started from"
    if found.kind == "pareto":
        return (
            f"the point of the Pareto front of macro F1 and {what} on validation, the start included, that covers the largest "
            "area (macro F1 times what the gap leaves of 1)"
        )
    if found.kind == "worst-group":
        return f"the one with the largest value of the {what} on validation"
    if found.kind == "gap" and found.most_lost is not None:
        bound = f"at most {found.most_lost:g} below the model it started from"
        return f"the smallest {what} on validation among those whose macro F1 there is {bound}"
    return name or "nothing to choose: one candidate"


def _bits(value: Any) -> str:
    """Of a code; without a number of them every power of two is a level."""
    several = value if isinstance(value, list | tuple) else [value]
    return " or ".join("any exponent" if one is None else f"{_setting(one)} bits" for one in several)


def _setting(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " or ".join(_setting(item) for item in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
