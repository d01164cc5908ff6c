"""Pictures of a comparison of runs: the plane of macro F1 and gap, seeds as dots, changes around 0."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fairshrink.report import style
from fairshrink.report.marks import beside, mark, name_rows
from fairshrink.report.runs_changed import Difference
from fairshrink.report.runs_front import Front, Place
from fairshrink.report.runs_grouped import Method
from fairshrink.report.runs_measured import Estimate, array
from fairshrink.report.style import BAND, FIRST, INK, LINE, METHOD_COLOURS, METHOD_MARKERS, MUTED, Look, cycle, plain
from fairshrink.report.words import signed

DOWN, UP, NEITHER = Look("#0072b2", "<"), Look("#d55e00", ">"), Look(MUTED, "o", filled=False)
_ROW, _LEGEND_ROW = 0.27, 0.165
MOST_BARS = 8  # models; with more, bars cover the marks
_SIDES = ((1, 1), (1, -1), (-1, 1), (-1, -1))


def look_of(method: Method) -> Look:
    """Colour and marker of a method in every picture: vanilla is grey, others repeat after 36."""
    if method.vanilla:
        return Look(FIRST, METHOD_MARKERS[0])
    index = method.number - 1
    colours, markers = METHOD_COLOURS[1:], METHOD_MARKERS[1:]
    return Look(cycle(colours, index), cycle(markers, index + index // len(colours)))


def plane(found: Front) -> Figure:
    """Macro F1 against EOpp1: a numbered mark per model with bars, the front as steps, what chance reaches as a band."""
    places = [place for place in found.places if place.f1.value is not None and place.gap.value is not None]
    columns = 2 if max((len(plain(_entry(place), 40)) for place in places), default=0) <= 20 else 1
    figure = style.canvas(2.9 + _LEGEND_ROW * (-(-len(places) // columns) + 2))
    axes = figure.subplots()
    floors = [place.gap.floor for place in places if place.gap.floor is not None]
    if floors:
        axes.axhspan(0, max(floors), color=BAND, zorder=0, lw=0, label="chance alone (floor)")
    _steps(axes, [place for place in places if place.front])
    for place in places:
        if len(places) <= MOST_BARS or place.front or place.method.vanilla:
            _bars(axes, place)
    for place in places:
        _point(axes, place)
    _numbers(axes, places)
    _field(axes, places)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.set_xlabel("macro F1, average of the groups →")
    axes.set_ylabel("EOpp1 (lower: smaller gap)")
    axes.grid()
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=columns, fontsize=7.5, labelspacing=0.25)
    return figure


def _field(axes: Axes, places: Sequence[Place]) -> None:
    """All bars where there is room for them; of many models the marks, the bars run out of the picture."""
    if len(places) <= MOST_BARS:
        axes.margins(x=0.12, y=0.12)
        axes.set_ylim(bottom=0)
        return
    for values, limit in ((_xs(places), axes.set_xlim), (_ys(places), axes.set_ylim)):
        room = max(0.15 * float(np.ptp(values)), 0.005)
        limit(float(values.min()) - room, float(values.max()) + room)


def _xs(places: Sequence[Place]) -> np.ndarray:
    return array([place.f1.value for place in places])


def _ys(places: Sequence[Place]) -> np.ndarray:
    return array([place.gap.value for place in places])


def _entry(place: Place) -> str:
    return f"{place.method.number} {place.method.label}"


def _bars(axes: Axes, place: Place) -> None:
    x, y, colour = float(place.f1.value or 0), float(place.gap.value or 0), look_of(place.method).colour
    if place.gap.low is not None and place.gap.high is not None:
        axes.plot([x, x], [place.gap.low, place.gap.high], color=colour, lw=1.1, alpha=0.55, zorder=2)
    if place.f1.low is not None and place.f1.high is not None:
        axes.plot([place.f1.low, place.f1.high], [y, y], color=colour, lw=1.1, alpha=0.55, zorder=2)


def _point(axes: Axes, place: Place) -> None:
    look = look_of(place.method)
    x, y = float(place.f1.value or 0), float(place.gap.value or 0)
    mark(axes, x, y, look, label=plain(_entry(place), 40))
    if place.method.vanilla:
        axes.plot([x], [y], "o", markersize=9.5, markerfacecolor="none", markeredgecolor=FIRST, zorder=3, clip_on=False)


def _numbers(axes: Axes, places: Sequence[Place]) -> None:
    """Each model's number beside its mark, on the side where the fewest others are."""
    points = np.stack([_xs(places), _ys(places)], axis=-1)
    points /= np.maximum(np.ptp(points, axis=0), 1e-9) if len(points) else 1.0
    taken = points
    for place, at in zip(places, points, strict=True):
        spots = at + 0.05 * np.array(_SIDES)
        room = [np.sort(np.hypot(*(taken - spot).T))[:3].sum() for spot in spots]
        side = int(np.argmax(np.round(room, 6)))
        taken = np.vstack([taken, spots[side]])
        (right, up), xy = _SIDES[side], (float(place.f1.value or 0), float(place.gap.value or 0))
        axes.annotate(str(place.method.number), xy, (6 * right, 6 * up), textcoords="offset points", fontsize=7.5, color=INK,
                      ha="left" if right > 0 else "right", va="bottom" if up > 0 else "top", zorder=5)  # fmt: skip


def _steps(axes: Axes, front: Sequence[Place]) -> None:
    """The edge of what the front covers: from the best gap to the best score."""
    points = sorted((float(place.f1.value or 0), float(place.gap.value or 0)) for place in front)
    if points:
        xs, ys = np.array(points).T
        axes.step(xs, ys, where="pre", color=MUTED, lw=1.0, ls=(0, (4, 2)), zorder=1, label="Pareto front")


def dots(methods: Sequence[Method], found: Sequence[Estimate], title: str) -> Figure:
    """A row per model, a dot per seed, the mean as a stroke with its interval, and the mean floor."""
    figure = style.canvas(_ROW * len(methods) + 0.62)
    axes = figure.subplots()
    for row, (method, of) in enumerate(zip(methods, found, strict=True)):
        colour = look_of(method).colour
        if of.floor is not None:
            axes.barh(row, of.floor, height=0.62, color=BAND, edgecolor=LINE, linewidth=0.6)
        if of.low is not None and of.high is not None:
            axes.plot([of.low, of.high], [row, row], color=colour, lw=1.6, alpha=0.6)
        if of.value is not None:
            axes.plot([of.value, of.value], [row - 0.24, row + 0.24], color=INK, lw=1.3, zorder=4)
        for seed in of.values:
            if seed is not None:
                axes.plot(
                    [seed], [row], "o", color=colour, markersize=4.2, markeredgecolor=INK, markeredgewidth=0.4, zorder=3
                )
    name_rows(axes, [f"{method.number} {method.label}" for method in methods])
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.set_title(title)
    return figure


def forest(rows: Sequence[Difference], title: str) -> Figure:
    """A row per model: its change, the interval over the images as a thin line, that over the seeds as a thick one."""
    figure = style.canvas(_ROW * len(rows) + 0.62)
    axes = figure.subplots()
    axes.axvline(0, color=INK, lw=0.9, zorder=1)
    for row, one in enumerate(rows):
        _change(axes, row, one)
    name_rows(axes, [f"{one.method.number} {one.method.label}" for one in rows])
    ends = [abs(end) for one in rows for pair in one.spans for end in pair]
    ends += [abs(one.value) for one in rows if one.value is not None]
    reach = 1.08 * max([*ends, 0.001])
    axes.set_xlim(-reach, reach)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10], symmetric=True))
    axes.set_title(title)
    return figure


def _change(axes: Axes, row: int, one: Difference) -> None:
    if one.value is None:
        axes.annotate("undefined", (0, row), (4, 0), textcoords="offset points", va="center", color=MUTED)
        return
    look = NEITHER if not one.told else DOWN if one.value < 0 else UP
    if one.images.ends:
        axes.plot(one.images.ends, [row, row], color=look.colour, lw=1.2, zorder=2)
    if one.seeds.ends:
        axes.plot(one.seeds.ends, [row, row], color=look.colour, lw=3.6, alpha=0.45, solid_capstyle="butt", zorder=2)
    mark(axes, one.value, row, look)
    beside(axes, row, signed(one.value), strong=one.told)
