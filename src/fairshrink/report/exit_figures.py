"""Early exits in pictures: along the threshold and exit by exit, as Fig. 2 of Chiu et al. 2023, and who leaves where."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from fairshrink.metrics.thresholds import exit_rule
from fairshrink.report import style
from fairshrink.report.exited import ExitPoint, ExitRecord
from fairshrink.report.marks import beside, mark, name_rows
from fairshrink.report.style import FIRST, INK, LINE, MUTED, Look, distinct, plain
from fairshrink.report.words import gap_name, number

Value = Callable[[ExitPoint], float | None]
POLICY = Look("#d55e00", "D")
ALONE = Look(FIRST, "o")
SUREST = 5.0  # Of the axis: 0.99999. Beyond it a softmax says little.
SHOWN = (0.5, 0.9, 0.99, 0.999, 0.9999)
TICK = 0.07  # The height of a mark for a threshold that could be chosen, as a share of the picture.
NARROW = 0.075  # A share that is too small for its number.
DARK_TEXT, LIGHT_TEXT = "#16181c", "#fefefe"  # Over colours of their own, so the same in the dark.


def place(theta: float) -> float:
    """Where a threshold lies along the axis: 0.9 at 1, 0.99 at 2, because models are mostly sure; its end holds what is above.

    >>> round(place(0.9), 9), round(place(0.999), 9)
    (1.0, 3.0)
    """
    return min(-float(np.log10(max(1 - theta, 1e-9))), SUREST)


def metrics(found: ExitRecord) -> list[str]:
    """The gaps that are drawn: the published one, and the one that the threshold was chosen by."""
    return list(dict.fromkeys(("eodd", exit_rule(found.rule).metric)))


def along_theta(folds: Sequence[ExitRecord]) -> Figure:
    """Macro F1, gaps and mean cost along the threshold: folds faint, their mean thick, the chosen one ringed.

    Args:
        folds: One record for each.
    """
    parts: list[tuple[str, Value]] = [("macro F1, average of the groups", lambda point: point.f1)]
    parts += [(gap_name(name), lambda point, name=name: point.gaps.get(name)) for name in metrics(folds[0])]
    last = folds[0].costs[-1]
    parts += [("mean cost (% of running to the end)", lambda point: 100 * point.cost / last)]
    figure, axes = style.stacked([1.1] * len(parts), 1.0 + 0.16 * len(parts))
    for panel, (title, value) in zip(axes, parts, strict=True):
        _along(panel, folds, value, counted=panel is axes[0])
        panel.set_title(title)
        panel.grid(axis="y")
        panel.margins(y=0.18)
        panel.yaxis.set_major_locator(MaxNLocator(4))
    for gap in axes[1:]:
        gap.set_ylim(bottom=0)
    _thresholds(axes[-1], folds)
    style.legend(figure, axes[0])
    return figure


def _along(axes: Axes, folds: Sequence[ExitRecord], value: Value, *, counted: bool) -> None:
    lines = [line(found, value) for found in folds]
    for x, y in lines if len(lines) > 1 else ():
        axes.plot(x, y, color=POLICY.colour, lw=0.6, alpha=0.45)
    x, y = mean(lines)
    axes.plot(x, y, color=POLICY.colour, lw=1.9, label="early exits", zorder=3)
    final = average([value(found.final) for found in folds])
    axes.axhline(final, color=INK, lw=0.9, dashes=(4, 2.5), zorder=2, label="running to the end")
    taken = Counter(place(found.theta) for found in folds)
    at = list(taken)
    heights = np.interp(at, x, y)
    axes.plot(at, heights, "o", ms=9, mfc="none", mec=INK, mew=0.9, ls="", zorder=4, label="chosen")
    numbers = zip(at, heights, taken.values(), strict=True) if counted and len(folds) > 1 else ()
    for where, height, times in [one for one in numbers if np.isfinite(one[1])]:
        axes.annotate(
            str(times), (where, height), (6, 5), textcoords="offset points", fontsize=7.5, color=INK, zorder=5
        )


def line(found: ExitRecord, value: Value) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places and values of the points of one fold; of those at the end of the axis the first."""
    points = {place(point.theta): value(point) for point in reversed(found.val.curve) if point.theta is not None}
    places = sorted(points)
    return np.array(places), np.array([points[at] for at in places], dtype=np.float64)


def mean(
    lines: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean of the folds where all of them have points; each fold's own thresholds lie elsewhere."""
    low, high = max(x[0] for x, _ in lines), min(x[-1] for x, _ in lines)
    every = np.unique(np.concatenate([x for x, _ in lines]))
    grid = every[(every >= low) & (every <= high)]
    return grid, np.mean([np.interp(grid, x, y) for x, y in lines], axis=0)


def average(values: Sequence[float | None]) -> float:
    """The mean of the folds; NaN where one of them is undefined."""
    return float(np.mean([np.nan if value is None else value for value in values]))


def _thresholds(axes: Axes, folds: Sequence[ExitRecord]) -> None:
    """The axis of the thresholds; small ticks are those that could be chosen."""
    axes.set_xlabel("theta: confidence that lets an image leave")
    axes.xaxis.set_major_locator(FixedLocator([place(theta) for theta in SHOWN]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{1 - 10.0**-x:.{max(round(x), 1)}f}"))
    places = sorted({place(theta) for found in folds for theta in found.grid})
    axes.vlines(places, 0, TICK, color=POLICY.colour, lw=1.4,
                transform=axes.get_xaxis_transform())  # fmt: skip


def single(folds: Sequence[ExitRecord]) -> Figure:
    """Macro F1 and EOdd of every exit used alone, and of early exits at the chosen threshold (the lowest row)."""
    parts: list[tuple[str, Value]] = [
        ("macro F1, average of the groups", lambda point: point.f1),
        ("EOdd", lambda point: point.gaps.get("eodd")),
    ]
    names = row_names(folds)
    figure, axes = style.stacked([0.22 * len(names) + 0.14] * len(parts), 0.9, share=False)
    for panel, (title, value) in zip(axes, parts, strict=True):
        for row in range(len(names)):
            found = [value(_row(one, row)) for one in folds]
            look = POLICY if row == len(names) - 1 else ALONE
            for one in found if len(folds) > 1 else ():
                panel.plot(
                    [np.nan if one is None else one], [row], look.marker, ms=3, color=look.colour, alpha=0.35, mew=0
                )
            centre = average(found)
            mark(panel, centre, row, look)
            beside(panel, row, number(None if np.isnan(centre) else centre), strong=look is POLICY)
        name_rows(panel, names)
        panel.set_title(title)
        panel.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        panel.axhline(len(names) - 1.5, color=LINE, lw=0.8)
    axes[1].set_xlim(left=0)
    return figure


def row_names(folds: Sequence[ExitRecord]) -> list[str]:
    """Every exit and the policy, each with its mean cost as a share of running to the end."""
    exits = distinct(folds[0].names, 18)
    shares = [100 * cost / folds[0].costs[-1] for cost in folds[0].costs]
    shares.append(100 * average([one.chosen.cost / one.costs[-1] for one in folds]))
    return [f"{name} ({share:.0f} %)" for name, share in zip([*exits, "early exits"], shares, strict=True)]


def _row(found: ExitRecord, row: int) -> ExitPoint:
    return found.val.single[row] if row < len(found.val.single) else found.chosen


def leaving(folds: Sequence[ExitRecord]) -> Figure:
    """At which exit the test images of each group leave: one bar for each group, its parts in the order of the exits."""
    groups, exits = folds[0].groups, distinct(folds[0].names, 18)
    shares, colours = left(folds), style.ramp(len(exits))
    figure = style.canvas(0.42 * len(groups) + 0.62 + style.legend_height(exits, 3))
    axes = figure.subplots()
    start = np.zeros(len(groups))
    for exit_, (name, colour) in enumerate(zip(exits, colours, strict=True)):
        part = shares[:, exit_]
        axes.barh(range(len(groups)), part, left=start, height=0.7, color=colour, label=name, lw=0)
        for row, share in enumerate(part):
            if share >= 100 * NARROW:
                axes.annotate(f"{share:.0f}", (start[row] + share / 2, row), ha="center", va="center", fontsize=7.5,
                              color=text_over(colour))  # fmt: skip
        start += np.nan_to_num(part)
    for row in np.flatnonzero(np.isnan(shares).any(1)).tolist():
        axes.annotate("no test image", (0, row), (4, 0), textcoords="offset points", va="center", color=MUTED)
    name_rows(axes, [plain(group) for group in groups])
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of the group's test images")
    style.legend(figure, axes, 3)
    return figure


def left(folds: Sequence[ExitRecord]) -> NDArray[np.float64]:
    """Mean share of the folds in per cent, (G, E); NaN for a group that has no test image in one of them."""
    return 100 * np.mean([np.array(found.leave, dtype=np.float64) for found in folds], axis=0)


def text_over(colour: str) -> str:
    """The letters that can be read over a colour."""
    light = float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114)))
    return DARK_TEXT if light > 0.5 else LIGHT_TEXT
