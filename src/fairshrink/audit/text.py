"""An audit as rows of words and numbers, and as plain text. Works on the audit's JSON, where NaN is None."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

SCORE_HEAD = ("", "n", "accuracy", "precision", "recall", "F1")
GAP_HEAD = ("gap", "value", "95 % interval", "by chance", "up to", "")
MOST_CLASSES = 12
UNDEFINED = "-"


class Sheet(NamedTuple):
    """One table: a header and rows, all text."""

    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


def as_text(audit: Any) -> str:
    """The audit as a few aligned tables."""
    data = audit.to_dict()
    lines = [heading(data)]
    for name, found in data["attributes"].items():
        lines += ["", attribute_heading(name, found), *_aligned(scores_sheet(found)), *_aligned(gaps_sheet(found))]
        lines += [f"note: {printable(note)}" for note in found["notes"]]
    return "\n".join(
        [*lines, *([""] if data["notes"] else []), *(f"note: {printable(note)}" for note in data["notes"])]
    )


def heading(data: Mapping[str, Any]) -> str:
    """One line about all rows."""
    overall = data["overall"]
    drawn = "" if data["clusters"] is None else f" in {data['clusters']:,} clusters"
    return (
        f"{overall['n']:,} predictions{drawn}, {data['num_classes']} classes: accuracy {number(overall['accuracy'])}, "
        f"macro F1 {number(overall['f1'])} ({data['convention']} convention, {data['n_boot']:,} resamples, "
        f"seed {data['seed']})"
    )


def attribute_heading(name: str, found: Mapping[str, Any]) -> str:
    """One line about an attribute."""
    unknown = f", {found['unknown']:,} rows unknown" if found["unknown"] else ""
    return f"{printable(name)}: {len(found['groups'])} groups{unknown}"


def scores_sheet(found: Mapping[str, Any]) -> Sheet:
    """Scores of each group, their average and difference."""
    names = ("accuracy", "precision", "recall", "f1")
    rows = [
        (printable(group), f"{scores['n']:,}", *(number(scores[name]) for name in names))
        for group, scores in found["groups"].items()
    ]
    for title in ("average", "difference"):
        rows.append((title, "", *(number(found[title][name]) for name in names)))
    return Sheet(SCORE_HEAD, rows)


def gaps_sheet(found: Mapping[str, Any]) -> Sheet:
    """The gaps with interval and null floor."""
    return Sheet(GAP_HEAD, [_gap_row(name, gap) for name, gap in found["gaps"].items()])


def classes_sheet(found: Mapping[str, Any]) -> tuple[Sheet, int]:
    """TPR by class and group, the classes furthest above their floor first if there are many; and how many are left out."""
    groups = [printable(group) for group in found["groups"]]
    names = list(found["classes"])
    if len(names) > MOST_CLASSES:
        names = sorted(names, key=lambda name: _excess(found["class_gaps"][f"tpr[{name}]"]), reverse=True)[
            :MOST_CLASSES
        ]
    rows = []
    for name in names:
        rates = found["classes"][name].values()
        gap = _gap_row(name, found["class_gaps"][f"tpr[{name}]"])
        rows.append((printable(name), *(f"{number(rate['tpr'])} of {rate['n']:,}" for rate in rates), *gap[1:]))
    head = ("TPR of", *groups, "gap", *GAP_HEAD[2:])
    return Sheet(head, rows), len(found["classes"]) - len(names)


def reading(gap: Mapping[str, Any]) -> str:
    """Two words: whether the gap is more than chance gives; how many classes are undefined."""
    if gap["value"] is None:
        return "undefined"
    words = "above chance" if gap["value"] > gap["null_high"] else "within chance"
    return f"{words}, {gap['undefined']} undefined" if gap["undefined"] else words


def number(value: float | None) -> str:
    """Three decimals; small values that are not 0 get three digits."""
    if value is None:
        return UNDEFINED
    return f"{value:.2g}" if 0 < abs(value) < 0.001 else f"{value:.3f}"


def printable(text: str) -> str:
    """Names from a user's file without the characters that would steer a terminal."""
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in str(text))


def _gap_row(name: str, gap: Mapping[str, Any]) -> tuple[str, ...]:
    interval = UNDEFINED if gap["low"] is None else f"{number(gap['low'])} to {number(gap['high'])}"
    return (name, number(gap["value"]), interval, number(gap["null_mean"]), number(gap["null_high"]), reading(gap))


def _excess(gap: Mapping[str, Any]) -> float:
    return -1.0 if gap["value"] is None else gap["value"] - gap["null_high"]


def _aligned(sheet: Sheet) -> list[str]:
    rows: Sequence[tuple[str, ...]] = [sheet.head, *sheet.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(sheet.head))]
    lines = []
    for row in rows:
        first, *rest = row
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
        lines.append("  " + "  ".join(cells).rstrip())
    return lines
