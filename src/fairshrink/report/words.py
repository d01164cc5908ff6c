"""Numbers and names as a reader sees them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fairshrink.report.records import Gap

MISSING = "–"
GAP_NAMES = {"eopp1": "EOpp1", "eopp0": "EOpp0", "eodd": "EOdd", "eodd_max": "EOdd (max)"}
METHOD_NAMES = {"vanilla": "Vanilla", "obd": "OBD", "fairprune": "FairPrune"}


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
    """
    return ", ".join(f"{key} {_setting(value)}" for key, value in params.items())


def varying(params: Sequence[Mapping[str, Any]]) -> list[str]:
    """A short name for each candidate of a grid: only the settings in which they differ.

    >>> varying([{"ratio": 0.35, "beta": 0.2}, {"ratio": 0.35, "beta": 0.5}])
    ['beta 0.2', 'beta 0.5']
    """
    keys = [key for key in dict.fromkeys(k for p in params for k in p) if len({repr(p.get(key)) for p in params}) > 1]
    return [settings({key: p[key] for key in keys if key in p}) or settings(p) or "as set" for p in params]


def gap_name(name: str) -> str:
    """A gap as it is printed."""
    return GAP_NAMES.get(name, name)


def rule(name: str | None) -> str:
    """A rule of choice in plain words.

    >>> rule("fate:eopp1")
    'the largest FATE in EOpp1 on validation, relative to the model it started from'
    """
    kind, _, metric = (name or "").partition(":")
    if kind == "fate":
        return f"the largest FATE in {gap_name(metric)} on validation, relative to the model it started from"
    return name or "nothing to choose: one candidate"


def _setting(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " or ".join(_setting(item) for item in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
