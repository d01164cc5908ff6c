"""Pictures of single classes: who is recognised how often, and which gap is more than chance."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fairshrink.report import style
from fairshrink.report.audited import AttributeAudit, Gap, Rates
from fairshrink.report.marks import beside, forest, look_of, mark, name_rows, stroke, values
from fairshrink.report.style import ABOVE, BAND, INK, LINE, MUTED, Look, plain
from fairshrink.report.words import count, counted, is_hidden

MOST_CLASSES = 24  # A picture with more rows than this is no picture; the table has them all.
ALONE = (1.6, 1.2)  # Dashes of the floor of a class by itself.
MOST_COUNTS = 3  # More counts than this beside a row are given as smallest to largest.


def shown_classes(audit: AttributeAudit) -> list[str]:
    """The classes a picture shows: all, or of many those whose gap exceeds its floor most."""
    names = list(audit.classes)
    if len(names) <= MOST_CLASSES:
        return names
    most = sorted(names, key=lambda name: -excess(audit, name))[:MOST_CLASSES]
    return [name for name in names if name in most]


def striking_classes(audit: AttributeAudit, most: int = 2) -> list[str]:
    """The classes whose gap exceeds its floor most; if none does, the one that comes nearest."""
    found = {name: gap for name in audit.classes if (gap := audit.of_class(name)) is not None and gap.value}
    ranked = sorted(found, key=lambda name: -found[name].excess)
    return [name for name in ranked if found[name].above_chance][:most] or ranked[:1]


def excess(audit: AttributeAudit, name: str) -> float:
    """How far a class's gap lies above its floor; minus infinity without a gap."""
    gap = audit.of_class(name)
    return -np.inf if gap is None else gap.excess


def class_caption(audit: AttributeAudit) -> str:
    """How to read `class_dots`, and which classes it leaves to the table."""
    shown, of = len(shown_classes(audit)), len(audit.classes)
    groups = list(audit.groups)
    order = f"images behind the marks ({' / '.join(groups)})"
    if len(groups) > MOST_COUNTS:
        order = "the smallest and the largest number of images behind a mark"
    rest = (
        f" {shown} of {of} classes are shown, those whose gap exceeds its floor most; the table has all."
        if shown < of
        else ""
    )
    return (
        "Marks are the share of a class's test images that is recognised, by group; the line between them is the gap, dark "
        f"where it is above chance, corrected for the number of classes. Right: {order}. Few images make long lines by "
        f"chance.{rest}"
    )


def class_dots(audit: AttributeAudit, title: str, names: Sequence[str]) -> Figure:
    """True positive rate by class and group, with the number of images behind each mark."""
    figure = style.canvas(_height(audit, names))
    axes = figure.subplots()
    for row, name in enumerate(names):
        _class_row(axes, row, audit, name)
    for index, group in enumerate(audit.groups):
        mark(axes, np.nan, np.nan, style.of_group(index), label=plain(group, 18))
    axes.plot([], [], color=INK, lw=2.6, label="gap above chance")
    axes.plot([], [], color=MUTED, lw=1, label="within chance")
    name_rows(axes, names)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.set_title(plain(title, 36))
    axes.set_xlabel("true positive rate")
    style.legend(figure, axes)
    return figure


def _height(audit: AttributeAudit, names: Sequence[str]) -> float:
    """Inches for the rows of the classes and the legend of the groups below them."""
    longest = max(len(plain(group, 18)) for group in audit.groups)
    lines = np.ceil((len(audit.groups) + 2) / (2 if longest <= 24 else 1))
    return float(0.27 * len(names) + 0.6 + 0.18 * lines)


def _class_row(axes: Axes, row: int, audit: AttributeAudit, name: str) -> None:
    rates = audit.classes.get(name, {})
    known = {g: r.tpr for g, r in rates.items() if r.tpr is not None and not is_hidden(r.n, audit.min_cell)}
    gap = audit.of_class(name)
    if len(known) > 1:
        above = gap is not None and gap.above_chance
        ends = [min(known.values()), max(known.values())]
        axes.plot(ends, [row, row], color=INK if above else MUTED, lw=2.6 if above else 1, zorder=2)
    for index, group in enumerate(audit.groups):
        if group in known:
            mark(axes, known[group], row, style.of_group(index))
    beside(axes, row, sizes([rates.get(group) for group in audit.groups], audit.min_cell))


def sizes(rates: Sequence[Rates | None], min_cell: int | None) -> str:
    """The numbers of images behind a row: of each group, or of many groups the smallest and the largest."""
    known = [0 if rate is None else rate.n for rate in rates]
    if len(known) <= MOST_COUNTS:
        return " / ".join(counted(n, min_cell) for n in known)
    shown = [n for n in known if n is not None and not is_hidden(n, min_cell)]
    some = f"{count(min(shown))} to {count(max(shown))}" if shown else ""
    hidden = f"{len(known) - len(shown)} hidden" if len(shown) < len(known) else ""
    return ", ".join(part for part in (some, hidden) if part)


def class_gaps(audit: AttributeAudit, title: str, names: Sequence[str]) -> Figure:
    """The gap in TPR of single classes on their corrected floors; a stroke marks the floor of a class by itself."""
    found = [audit.of_class(name) for name in names]
    figure = style.canvas(_height(audit, names))
    axes = figure.subplots()
    forest(axes, found, [look_of(gap) for gap in found])
    for row, gap in enumerate(found):
        if gap is not None and gap.null_alone is not None:
            stroke(axes, gap.null_alone, row, ALONE)
    _class_legend(axes, found)
    name_rows(axes, names)
    values(axes, found)
    axes.set_title(plain(title, 36))
    axes.set_xlabel("gap in the true positive rate")
    style.legend(figure, axes)
    return figure


def _class_legend(axes: Axes, found: Sequence[Gap | None]) -> None:
    mark(axes, np.nan, np.nan, Look(ABOVE, "o"), label="above chance")
    mark(axes, np.nan, np.nan, Look(MUTED, "o", filled=False), label="within chance")
    axes.bar([np.nan], [np.nan], color=BAND, edgecolor=LINE, label="chance, all classes")
    if any(gap is not None and gap.null_alone is not None for gap in found):
        axes.plot([], [], color=MUTED, lw=1.1, dashes=ALONE, label="chance, this class")
