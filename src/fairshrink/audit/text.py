"""An audit as rows of words and numbers. Works on the audit's JSON, where NaN is None."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

SCORE_HEAD = ("", "n", "accuracy", "precision", "recall", "F1")
GAP_HEAD = ("gap", "value", "95 % interval", "by chance", "up to", "", "for 0.05")
CLASS_HEAD = ("95 % interval", "up to", "alone", "chance")
PROBABILITY_HEAD = ("", "AUC", "ECE", "by chance", "up to", "")
FEW = 10  # images of a class in a group: with fewer, a rate is an anecdote
MOST_CLASSES = 12
UNDEFINED = "-"


class Sheet(NamedTuple):
    """One table: a header and rows, all text."""

    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


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


def sheets(found: Mapping[str, Any], width: int) -> list[Sheet]:
    """All tables of an attribute, for so many columns of text."""
    calibrated = [probability_sheet(found)] if "ece" in next(iter(found["groups"].values())) else []
    classes = classes_sheet(found)
    if sum(widths(classes)) + len(classes.head) > width:
        classes = classes_below(found)
    return [scores_sheet(found), *calibrated, gaps_sheet(found), classes]


def scores_sheet(found: Mapping[str, Any]) -> Sheet:
    """Scores of each group, their average and difference."""
    names = ("accuracy", "precision", "recall", "f1")
    rows = [
        (printable(group), _count(scores["n"], found), *(number(scores[name]) for name in names))
        for group, scores in found["groups"].items()
    ]
    for title in ("average", "difference"):
        rows.append((title, "", *(number(found[title][name]) for name in names)))
    return Sheet(SCORE_HEAD, rows)


def probability_sheet(found: Mapping[str, Any]) -> Sheet:
    """Ranking and calibration of each group; the calibration error beside what a calibrated model would show."""
    rows = []
    for group, scores in found["groups"].items():
        values = [number(scores[name]) for name in ("auc", "ece", "ece_null_mean", "ece_null_high")]
        rows.append((printable(group), *values, _against(scores["ece"], scores["ece_null_high"])))
    return Sheet(PROBABILITY_HEAD, rows)


def gaps_sheet(found: Mapping[str, Any]) -> Sheet:
    """The gaps with interval, null floor, and the images that it takes to see 0.05."""
    rows = []
    for name, gap in found["gaps"].items():
        floor = (number(gap["null_mean"]), number(gap["null_high"]))
        needed = UNDEFINED if gap["needed"] is None else f"{gap['needed']:,}"
        rows.append((name, number(gap["value"]), interval(gap), *floor, reading(gap), needed))
    return Sheet(GAP_HEAD, rows)


def classes_sheet(found: Mapping[str, Any]) -> Sheet:
    """TPR by class and group, side by side."""
    rows = []
    for name in _shown(found):
        gap, rates = found["class_gaps"][f"tpr[{name}]"], found["classes"][name].values()
        cells = [rate_cell(rate, found) for rate in rates]
        rows.append((printable(name), *cells, number(gap["value"]), *_class_gap(gap)))
    return Sheet(("TPR of", *map(printable, found["groups"]), "gap", *CLASS_HEAD), rows)


def classes_below(found: Mapping[str, Any]) -> Sheet:
    """TPR by class and group, the groups below their class: for many groups, or a narrow terminal."""
    rows = []
    for name in _shown(found):
        gap = found["class_gaps"][f"tpr[{name}]"]
        rows.append((printable(name), number(gap["value"]), *_class_gap(gap)))
        for group, rate in found["classes"][name].items():
            rows.append((f"  {printable(group)}", rate_cell(rate, found), *[""] * len(CLASS_HEAD)))
    return Sheet(("TPR of", "gap", *CLASS_HEAD), rows)


def _shown(found: Mapping[str, Any]) -> list[str]:
    """Of many classes those furthest above their floor, or nearest to it."""
    names = list(found["classes"])
    if len(names) <= MOST_CLASSES:
        return names
    return sorted(names, key=lambda name: _excess(found["class_gaps"][f"tpr[{name}]"]), reverse=True)[:MOST_CLASSES]


def _class_gap(gap: Mapping[str, Any]) -> tuple[str, ...]:
    return interval(gap), number(gap["null_high"]), number(gap["null_alone"]), class_reading(gap)


def left_out(found: Mapping[str, Any]) -> int:
    """Classes that `classes_sheet` has no room for."""
    return max(0, len(found["classes"]) - MOST_CLASSES)


def rate_cell(rate: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """A rate and of how many; marked where these are few."""
    if rate["n"] is None:
        return _count(None, found)
    return f"{number(rate['tpr'])} of {rate['n']:,}{'*' if 0 < rate['n'] < FEW else ''}"


def legend(attributes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the tables' signs mean, as far as they occur."""
    cells = [cell for found in attributes for cell in found["small_cells"]]
    few = [f"*: fewer than {FEW} images."] if any(cell["n"] is not None for cell in cells) else []
    least = next((found["min_cell"] for found in attributes if found["min_cell"]), None)
    hidden = any(cell["n"] is None for cell in cells)
    return [
        *few,
        *(
            [f"<{least}: fewer than {least} images, or hidden because it would give such a cell away."]
            if hidden
            else []
        ),
    ]


def reading(gap: Mapping[str, Any]) -> str:
    """Two words: whether the gap is more than chance gives; how many classes are undefined."""
    words = _against(gap["value"], gap["null_high"])
    return f"{words}, {gap['undefined']} undefined" if gap["undefined"] and gap["value"] is not None else words


def class_reading(gap: Mapping[str, Any]) -> str:
    """One word for a single class, which may have been named beforehand."""
    if gap["value"] is None:
        return UNDEFINED
    if gap["value"] > gap["null_high"]:
        return "above"
    return "if named" if gap["value"] > gap["null_alone"] else "within"


def interval(gap: Mapping[str, Any]) -> str:
    """Both ends."""
    return UNDEFINED if gap["low"] is None else f"{number(gap['low'])} to {number(gap['high'])}"


def number(value: float | None) -> str:
    """Three decimals; small values that are not 0 get three digits."""
    if value is None:
        return UNDEFINED
    return f"{value:.2g}" if 0 < abs(value) < 0.001 else f"{value:.3f}"


def printable(text: str) -> str:
    """Names from a user's file without the characters that would steer a terminal."""
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in str(text))


def aligned(sheet: Sheet) -> list[str]:
    """A table as lines of plain text."""
    broad, lines = widths(sheet), []
    for row in [sheet.head, *sheet.rows]:
        first, *rest = row
        cells = [first.ljust(broad[0]), *(cell.rjust(width) for cell, width in zip(rest, broad[1:], strict=True))]
        lines.append("  " + "  ".join(cells).rstrip())
    return lines


def widths(sheet: Sheet) -> list[int]:
    """Of each column, in signs."""
    return [max(map(len, column)) for column in zip(sheet.head, *sheet.rows, strict=True)]


def _against(value: float | None, floor: float) -> str:
    if value is None:
        return "undefined"
    return "above chance" if value > floor else "within chance"


def _count(n: int | None, found: Mapping[str, Any]) -> str:
    return f"<{found['min_cell']:,}" if n is None else f"{n:,}"


def _excess(gap: Mapping[str, Any]) -> float:
    return -1.0 if gap["value"] is None else gap["value"] - gap["null_high"]
