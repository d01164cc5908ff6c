"""Pictures of changes between two models on the same rows: forests around 0."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fairshrink.report import style
from fairshrink.report.class_figures import MOST_CLASSES
from fairshrink.report.compared import Change
from fairshrink.report.marks import beside, mark, name_rows
from fairshrink.report.style import INK, MUTED, Look
from fairshrink.report.words import signed

# The arrowhead says the direction too: colour is never alone. Vermilion and green are apart for the colour-blind here.
DOWN, UP, NEITHER = Look("#0072b2", "<"), Look("#d55e00", ">"), Look(MUTED, "o", filled=False)


def change_rows(axes: Axes, rows: Sequence[tuple[str, Change | None]]) -> None:
    """One row per change, the first on top: mark, paired interval, a line at no change."""
    axes.axvline(0, color=INK, lw=0.9, zorder=1)
    for row, (_, change) in enumerate(rows):
        if change is None or change.change is None:
            axes.annotate("undefined", (0, row), (4, 0), textcoords="offset points", va="center", color=MUTED)
            continue
        look = look_of(change)
        if change.low is not None and change.high is not None:
            axes.plot([change.low, change.high], [row, row], color=look.colour, lw=1.6)
        mark(axes, change.change, row, look)
        beside(axes, row, signed(change.change), strong=change.told)
    name_rows(axes, [label for label, _ in rows])
    _around_zero(axes, [change for _, change in rows if change is not None])


def look_of(change: Change) -> Look:
    """An arrowhead down or up the axis where the change can be told from none, else a hollow mark."""
    return NEITHER if not change.told else DOWN if (change.change or 0) < 0 else UP


def _around_zero(axes: Axes, changes: Sequence[Change]) -> None:
    """0 in the middle, so that the eye compares the sides."""
    ends = [abs(end) for c in changes for end in (c.change, c.low, c.high) if end is not None]
    reach = 1.08 * max([*ends, 0.001])
    axes.set_xlim(-reach, reach)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10], symmetric=True))


def changes(named: Mapping[str, Change], title: str) -> Figure:
    """A forest of named changes; of many, those whose interval is furthest from 0."""
    rows = list(named.items())
    if len(rows) > MOST_CLASSES:
        most = sorted(named, key=lambda name: -_clear(named[name]))[:MOST_CLASSES]
        rows = [(name, change) for name, change in rows if name in most]
    figure = style.canvas(0.27 * len(rows) + 0.62)
    axes = figure.subplots()
    change_rows(axes, rows)
    axes.set_title(title)
    return figure


def _clear(change: Change) -> float:
    """How far the interval stays away from 0; negative when it holds 0."""
    if change.low is None or change.high is None:
        return -float("inf")
    return max(change.low, -change.high)
