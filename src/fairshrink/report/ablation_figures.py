"""Pictures of what the settings do, as in Fig. 2 of Wu et al. 2022 and of Guo et al. 2024."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fairshrink.report import fixing, style
from fairshrink.report.ablation import Curve, Family
from fairshrink.report.control import LINE
from fairshrink.report.marks import mark
from fairshrink.report.pooled import Point, Value
from fairshrink.report.style import BAND, FIRST, INK, Look, plain
from fairshrink.report.trading import Along, Trade

CHANCE = "chance alone (floor)"
MOST_LABELLED = 8  # Of more points the ends and what was chosen have a label and intervals.
START = Look(FIRST, "o")


class Measures(NamedTuple):
    """A score and a gap of a point, with their names and the gap's floor."""

    names: tuple[str, str]
    score: Callable[[Point], Value]
    gap: Callable[[Point], Value]
    floor: Callable[[Point], float]


PRUNED = Measures(("recall", "EOpp1"), lambda p: p.recall, lambda p: p.eopp1, lambda p: p.floor)
QUANTISED = Measures(("precision", "EOdd"), lambda p: p.precision, lambda p: p.eodd, lambda p: p.eodd_floor)


def measures(family: Family) -> Measures:
    """What is drawn along the ratio: as Wu et al. 2022 recall and EOpp1, as Guo et al. 2024 precision and EOdd."""
    return QUANTISED if family.quantises else PRUNED


def along(family: Family, found: Sequence[Curve]) -> Figure:
    """A score and a gap along the ratio: thick lines for what was chosen, some with bands, thin ones for the rest of the grid."""
    found, of = _briefly(found), measures(family)
    figure, (recall, gap) = style.stacked([1.45, 1.6], 0.85 + 0.17 * _lines([curve.label for curve in found]))
    drawn = [family.start, *(point for curve in found for point in curve.points)]
    gap.axhspan(0, np.nanmax([of.floor(point) for point in drawn]), color=BAND, zorder=0, lw=0, label=CHANCE)
    for axes, start in ((recall, of.score(family.start)), (gap, of.gap(family.start))):
        axes.axhline(start.value, color=FIRST, lw=1.1, dashes=(4, 3), zorder=1, label=plain(family.parent))
        axes.grid(axis="y")
    for index, curve in enumerate(found):
        _curve(recall, curve, [of.score(point) for point in curve.points], index)
        _curve(gap, curve, [of.gap(point) for point in curve.points], index)
    recall.set_title(f"macro {of.names[0]}, average of the groups")
    gap.set_title(f"{of.names[1]} between the groups")
    gap.set_ylim(bottom=0)
    gap.set_xlabel(fixing.axis(family.stages))
    gap.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    gap.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    style.legend(figure, gap)
    return figure


def _briefly(found: Sequence[Curve]) -> list[Curve]:
    """Thin lines without the name of their stage, where only one stage has any."""
    thin = [curve for curve in found if not curve.thick and not curve.control]
    stages = {curve.label.partition(", ")[0] for curve in thin}
    return [
        curve._replace(label=curve.label.partition(", ")[2] or curve.label)
        if curve in thin and len(stages) == 1
        else curve
        for curve in found
    ]


def _lines(labels: Sequence[str]) -> int:
    """How many lines the legend takes, with chance and the start."""
    named = [label for label in labels if label]
    columns = 2 if max(map(len, named), default=0) <= 24 else 1
    return -(-(len(named) + 2) // columns)


def _x(curve: Curve) -> np.ndarray:
    return np.array([point.ratio for point in curve.points])


def _curve(axes: Axes, curve: Curve, values: Sequence[Value], index: int) -> None:
    x, y = _x(curve), np.array([value.value for value in values])
    label = plain(curve.label, 40) or None
    if curve.control:
        axes.plot(x, y, label=label, **LINE)
        return
    if not curve.thick:
        axes.plot(x, y, color=curve.look.colour, lw=0.9, label=label, zorder=2,
                  dashes=style.CANDIDATE_DASHES[index % len(style.CANDIDATE_DASHES)] or (None, None))  # fmt: skip
        return
    if curve.banded:
        axes.fill_between(
            x, [v.low for v in values], [v.high for v in values], color=curve.look.colour, alpha=0.16, lw=0
        )
    axes.plot(x, y, color=curve.look.colour, lw=1.9, marker=curve.look.marker, ms=3.6, label=label, zorder=3)
    at = [place for place, ratio in enumerate(x) if round(float(ratio), 6) in curve.ends]
    axes.plot(x[at], y[at], "o", ms=10, mfc="none", mec=INK, mew=1.0, zorder=4)


def trade(family: Family, found: Trade) -> Figure:
    """F1 against EOpp1: points joined in the order of a setting, and the other models, each with its intervals."""
    singles = [(family.parent, family.start, START), *found.others]
    named = [*(plain(label) for label, _, _ in singles), *(_by(line) for line in found.lines), CHANCE]
    figure = style.canvas(2.9 + style.legend_height(named))
    axes = figure.subplots()
    every = [*(point for _, point, _ in singles), *(point for line in found.lines for _, point in line.points)]
    axes.axvspan(0, np.nanmax([point.floor for point in every]), color=BAND, zorder=0, lw=0, label=CHANCE)
    for line in found.lines:
        _joined(axes, line)
    for label, point, look in singles:
        _cross(axes, point, look)
        mark(axes, point.eopp1.value, point.f1.value, look, label=plain(label))
    axes.set_xlim(left=0)
    axes.margins(x=0.12, y=0.14)
    axes.set_xlabel("← EOpp1 (further left: smaller gap)")
    axes.set_ylabel("macro F1, average of the groups →")
    axes.grid()
    style.legend(figure, axes)
    return figure


def _joined(axes: Axes, line: Along) -> None:
    x, y = ([value.value for value in of] for of in zip(*((p.eopp1, p.f1) for _, p in line.points), strict=True))
    axes.plot(x, y, color=line.look.colour, lw=1.1, zorder=3)
    ends = (line.points[0][0], line.points[-1][0])
    for setting, point in line.points:
        taken = setting in line.chosen
        mark(axes, point.eopp1.value, point.f1.value, line.look._replace(filled=taken))
        if len(line.points) <= MOST_LABELLED or taken or setting in ends:
            _cross(axes, point, line.look)
            axes.annotate(f"{setting:.3g}", (point.eopp1.value, point.f1.value), (5, 4), textcoords="offset points",
                          fontsize=8, fontweight="bold" if taken else "normal", zorder=5)  # fmt: skip
    mark(axes, np.nan, np.nan, line.look, label=_by(line))


def _by(line: Along) -> str:
    return plain(f"{line.label}, by {line.setting}", 40)


def _cross(axes: Axes, point: Point, look: Look) -> None:
    """The intervals of both values, faint."""
    gap, f1 = point.eopp1, point.f1
    axes.plot([gap.low, gap.high], [f1.value, f1.value], color=look.colour, lw=0.9, alpha=0.45, zorder=2)
    axes.plot([gap.value, gap.value], [f1.low, f1.high], color=look.colour, lw=0.9, alpha=0.45, zorder=2)
