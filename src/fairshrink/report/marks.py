"""Rows of marks: what the pictures of gaps, scores and changes are made of."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fairshrink.report import style
from fairshrink.report.audited import Gap
from fairshrink.report.style import ABOVE, BAND, INK, LINE, MUTED, Look, distinct, plain
from fairshrink.report.words import number

SHORT, LONG = 18, 26  # Letters of a row's name: in full size, and at all.


def mark(axes: Axes, x: float, y: float, look: Look, *, label: str | None = None) -> None:
    """One mark, filled or hollow as its look says."""
    face = look.colour if look.filled else "none"
    edge = INK if look.filled else look.colour
    axes.plot([x], [y], look.marker, color=look.colour, markerfacecolor=face, markeredgecolor=edge, label=label,
              markeredgewidth=0.5 if look.filled else 1.2, markersize=5.5, zorder=4, clip_on=False, ls="")  # fmt: skip


def name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """The names of the rows, on the left, without an axis of their own; long ones in smaller letters."""
    long = max((len(plain(label, LONG)) for label in labels), default=0) > SHORT
    axes.set_yticks(range(len(labels)), distinct(labels, LONG))
    axes.set_ylim(len(labels) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0, labelsize=7.5 if long else 8.5)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def beside(axes: Axes, row: int, text: str, *, strong: bool = False) -> None:
    """A small text at the right end of a row."""
    axes.annotate(text, (1, row), (8, 0), ("axes fraction", "data"), "offset points", va="center", fontsize=7.5,
                  color=INK if strong else MUTED, fontweight="bold" if strong else "normal")  # fmt: skip


def forest(axes: Axes, found: Sequence[Gap | None], looks: Sequence[Look]) -> None:
    """One row per gap, the first on top."""
    for row, (gap, look) in enumerate(zip(found, looks, strict=True)):
        if gap is None or gap.value is None:
            axes.annotate("undefined", (0, row), (4, 0), textcoords="offset points", va="center", color=MUTED)
            continue
        axes.barh(row, gap.null_high or 0, height=0.62, color=BAND, edgecolor=LINE, linewidth=0.6)
        if gap.null_high is not None:
            stroke(axes, gap.null_high, row)
        if gap.low is not None and gap.high is not None:
            axes.plot([gap.low, gap.high], [row, row], color=look.colour, lw=1.6)
        mark(axes, gap.value, row, look)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))


def stroke(axes: Axes, x: float, row: int, dashes: tuple[float, float] | None = None) -> None:
    """The end of a floor, as high as its bar."""
    axes.plot([x, x], [row - 0.31, row + 0.31], color=MUTED, lw=1.1, dashes=dashes or (None, None), zorder=2)


def look_of(gap: Gap | None) -> Look:
    """Filled and coloured when above chance, hollow and grey when within."""
    above = gap is not None and gap.above_chance
    return Look(ABOVE if above else MUTED, "o", filled=above)


def values(axes: Axes, found: Sequence[Gap | None]) -> None:
    """The value of each gap at the end of its row, bold when it is above chance."""
    for row, gap in enumerate(found):
        if gap is not None and gap.value is not None:
            beside(axes, row, number(gap.value), strong=gap.above_chance)


def level(figures: Sequence[Figure]) -> None:
    """Put the fields of figures of one height at one level, so that their rows go on from one to the next."""
    for figure in figures:
        style.settle(figure)
    boxes = [figure.axes[0].get_position() for figure in figures]
    bottom, top = max(box.y0 for box in boxes), min(box.y1 for box in boxes)
    for figure, box in zip(figures, boxes, strict=True):
        figure.axes[0].set_position((box.x0, bottom, box.width, top - bottom))
