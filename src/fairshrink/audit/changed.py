"""A comparison as rows of words and numbers. Works on the comparison's JSON, where NaN is None."""

from collections.abc import Mapping
from typing import Any

from fairshrink.audit.text import UNDEFINED, Sheet, aligned, number, printable

Found = Mapping[str, Any]
Words = tuple[str, str]
LEVEL = 0.05
MOST_CLASSES = 12
NO_CHANGE = "none shown"
SCORE_WORDS, GAP_WORDS = ("lower", "higher"), ("narrower", "wider")
TOLD = (*SCORE_WORDS, *GAP_WORDS)
_HEAD = ("A", "B", "change", "95 % interval", "p", "Holm", "")
_SCORES = {
    "accuracy": "accuracy",
    "precision": "macro precision",
    "recall": "macro recall",
    "f1": "macro F1",
    "average_f1": "mean of macro F1",
    "worst_group_accuracy": "lowest accuracy",
}
LEGEND = (
    "change: B - A, with its paired interval; a gap below 0 has narrowed. p: for this comparison alone; Holm: adjusted for all "
    "scores, all gaps or all single classes together. In brackets: told from no change alone, but not after Holm.",
)


def comparison_text(data: Found) -> str:
    """The comparison as a few aligned tables and sentences."""
    lines = [title(data), "", *aligned(overall_sheet(data))]
    for name, found in data["attributes"].items():
        lines += ["", printable(name), *aligned(gaps_sheet(found)), *aligned(groups_sheet(found))]
        lines += [f"  {change['verdict']}" for change in found["gaps"].values()]
    return "\n".join([*lines, "", *(f"note: {printable(note)}" for note in (*data["notes"], *LEGEND))])


def title(data: Found) -> str:
    """One line about what is compared."""
    a, b = map(printable, data["models"])
    drawn = "" if data["clusters"] is None else f" in {data['clusters']:,} clusters"
    return (
        f"B = {b} against A = {a}, on the same rows{drawn} ({data['convention']} convention, {data['n_boot']:,} paired "
        f"resamples, seed {data['seed']})"
    )


def overall_sheet(data: Found) -> Sheet:
    """Scores of all rows."""
    return _sheet("all rows", {_SCORES[name]: change for name, change in data["overall"].items()}, SCORE_WORDS)


def gaps_sheet(found: Found) -> Sheet:
    """Gaps, and the single classes: of many those that changed most surely."""
    classes = list(found["class_gaps"].items())
    if len(classes) > MOST_CLASSES:
        classes = sorted(classes, key=lambda item: 2.0 if item[1]["p"] is None else item[1]["p"])[:MOST_CLASSES]
    return _sheet("gap", found["gaps"] | {printable(name): change for name, change in classes}, GAP_WORDS)


def groups_sheet(found: Found) -> Sheet:
    """Scores over groups, then each group's accuracy and F1."""
    rows = {_SCORES[name]: change for name, change in found["scores"].items()}
    for group, changes in found["groups"].items():
        rows |= {f"{_SCORES[name]}, {printable(group)}": changes[name] for name in ("accuracy", "f1")}
    return _sheet("score", rows, SCORE_WORDS)


def word(change: Found, words: Words) -> str:
    """What the interval says, in one or two words."""
    if change["change"] is None:
        return "undefined"
    if change["low"] <= 0 <= change["high"]:
        return NO_CHANGE
    return words[change["low"] > 0]


def signed(value: float | None) -> str:
    """Three decimals with their sign; small values that are not 0 get two digits."""
    return f"+{number(value)}" if value is not None and value > 0 else number(value)


def p_value(p: float | None) -> str:
    """Three decimals, or less than what they can show."""
    return UNDEFINED if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def _sheet(what: str, changes: Mapping[str, Found], words: Words) -> Sheet:
    return Sheet((what, *_HEAD), [_row(name, change, words) for name, change in changes.items()])


def _row(name: str, change: Found, words: Words) -> tuple[str, ...]:
    ends = UNDEFINED if change["low"] is None else f"{signed(change['low'])} to {signed(change['high'])}"
    found = word(change, words)
    alone = found in words and change["p_holm"] > LEVEL
    values = (number(change["a"]), number(change["b"]), signed(change["change"]), ends)
    return (name, *values, p_value(change["p"]), p_value(change["p_holm"]), f"({found})" if alone else found)
