"""Sorted scores of a layer's channels before and after a step, as Fig. 1 of Kong et al. 2024."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fairshrink.report import style
from fairshrink.report.style import FIRST, MUTED

AFTER = "#d55e00"
FINEST = 200  # Points of a curve: nobody sees more.
TICK = 0.035  # The height of a mark for a removed channel, as a share of the picture.


class Curve(NamedTuple):
    """The channels of one layer in one fold.

    Attributes:
        before: Their scores, by number; empty where there is nothing to compare with.
        after: The same of the model after the step.
        chance: Sorted scores with groups drawn by lot.
        gone: Numbers of the channels that are removed in the end.
        lacked: Numbers of those that were removed before the step.
    """

    before: Sequence[float]
    after: Sequence[float]
    chance: Sequence[float]
    gone: Sequence[int]
    lacked: Sequence[int] = ()

    @property
    def newly(self) -> list[int]:
        """Numbers of the channels that the step removed."""
        return sorted(set(self.gone) - set(self.lacked))


def sorted_scores(curves: Sequence[Curve], names: tuple[str, str] = ("before", "after")) -> Figure:
    """One layer: before, after and chance, sorted; a thin line for each fold, a thick one for their mean by rank.

    Args:
        curves: One for each fold.
        names: What the two models are called.
    """
    figure = style.canvas(2.75)
    axes = figure.subplots()
    kinds = [
        ([without(curve.before, curve.lacked) for curve in curves if curve.before], FIRST, names[0]),
        ([without(curve.after, curve.gone) for curve in curves], AFTER, names[1]),
    ]
    for found, colour, name in kinds:
        _lines(axes, found, colour, name)
    grid = _grid(max(len(curve.chance) for curve in curves))
    chance = np.mean([_at(grid, np.array(curve.chance)) for curve in curves], axis=0)
    axes.plot(100 * grid, chance, color=MUTED, lw=1.1, dashes=(3, 2), label="by chance", zorder=2)
    _removed(axes, curves)
    axes.set_xlim(0, 100)
    axes.set_xlabel("channels, sorted (% of those there)")
    axes.set_ylabel("SNNL (nats)")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.grid(axis="y")
    style.legend(figure, axes)
    return figure


def without(scores: Sequence[float], numbers: Sequence[int]) -> NDArray[np.float64]:
    """The scores of the channels that are there, sorted."""
    return np.sort(np.delete(np.array(scores, dtype=np.float64), list(numbers)))


def _lines(axes: Axes, found: Sequence[NDArray[np.float64]], colour: str, name: str) -> None:
    if not found:
        return
    grid = _grid(max(map(len, found)))
    drawn = np.stack([_at(grid, scores) for scores in found])
    for line in drawn if len(drawn) > 1 else ():
        axes.plot(100 * grid, line, color=colour, lw=0.6, alpha=0.45)
    axes.plot(100 * grid, drawn.mean(0), color=colour, lw=1.8, label=name, zorder=3)


def _grid(count: int) -> NDArray[np.float64]:
    return np.linspace(0, 1, min(max(count, 2), FINEST))


def _at(grid: NDArray[np.float64], ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sorted scores at shares of their number, so that layers and folds with other numbers lie over each other."""
    return (
        np.interp(grid, np.linspace(0, 1, len(ordered)), ordered)
        if len(ordered) > 1
        else np.full_like(grid, ordered[0])
    )


def _removed(axes: Axes, curves: Sequence[Curve]) -> None:
    """Marks below, at the place that each removed channel had before."""
    places = [place for curve in curves if curve.before for place in removed_places(curve)]
    if places:
        axes.vlines(places, 0, TICK, color=AFTER, lw=0.9, alpha=max(0.3, 1 / len(curves)), label="removed (place before)",
                    transform=axes.get_xaxis_transform())  # fmt: skip


def removed_places(curve: Curve) -> list[float]:
    """Where among the sorted channels those lay that the step removed, in per cent: 0 is the lowest score."""
    there = [number for number in range(len(curve.before)) if number not in set(curve.lacked)]
    order = sorted(there, key=lambda number: curve.before[number])
    rank = {number: place for place, number in enumerate(order)}
    return [100 * rank[number] / max(len(order) - 1, 1) for number in curve.newly]
