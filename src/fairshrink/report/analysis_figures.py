"""Pictures of an analysis: the channels of every layer against chance, and the whole feature by depth."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fairshrink.report import style
from fairshrink.report.analysed import Analysis, LayerReading, Reading
from fairshrink.report.channel_figures import AFTER, Curve
from fairshrink.report.style import BAND, FIRST, LINE, MUTED, distinct

PUBLISHED_DASHES = ((1.5, 1.5), (4, 1.5, 1, 1.5))


def curves(found: Analysis, layer: str, label: str) -> list[Curve]:
    """The channels of one layer by one label, a curve for each fold."""
    drawn = []
    for number, after in enumerate(found.after):
        last = _layer(after, layer)
        first = _layer(found.before[number], layer) if found.before else None
        chance = (first or last).labels[label].chance
        before, lacked = ([], []) if first is None else (first.labels[label].scores, first.removed)
        drawn.append(Curve(before, last.labels[label].scores, chance, last.removed, lacked))
    return drawn


def _layer(reading: Reading, name: str) -> LayerReading:
    return next(layer for layer in reading.layers if layer.name == name)


def spread(found: Analysis, label: str, names: tuple[str, str]) -> Figure:
    """Every layer's channels less what chance gives each: median, half and nine tenths of them; the mean of the folds."""
    layers = [layer.name for layer in found.after[0].layers]
    sides = [(FIRST, names[0]), (AFTER, names[1])][-len(found.sides) :]
    figure = style.canvas(0.24 * len(layers) + 1.0)
    axes = figure.subplots()
    axes.axvline(0, color=MUTED, lw=0.9)
    shift = 0.17 if found.before else 0.0
    for (colour, name), readings, side in zip(sides, found.sides, (-1, 1), strict=False):
        for row, layer in enumerate(layers):
            low, left, middle, right, high = np.mean(
                [_layer(one, layer).labels[label].excess for one in readings], axis=0
            )
            at = row + side * shift
            axes.plot([low, high], [at, at], color=colour, lw=0.8)
            axes.plot([left, right], [at, at], color=colour, lw=2.6)
            axes.plot([middle], [at], "o", color=colour, markersize=3.6, label=name if row == 0 else None, zorder=4)
    axes.set_yticks(range(len(layers)), distinct(layers, 24))
    axes.set_ylim(len(layers) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0, labelsize=7.5)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel("← tells apart | SNNL less chance (nats)")
    axes.grid(axis="x")
    style.legend(figure, axes)
    return figure


def change(readings: Sequence[Reading], label: str, kind: str = "value") -> NDArray[np.float64]:
    """The SNNL of the whole feature at each depth as its change against the first, in %: (folds, depths).

    Args:
        readings: One for each fold.
        label: By what.
        kind: "value"; or "chance" or "within", every draw of every fold: (folds x draws, depths).
    """
    rows = []
    for reading in readings:
        found = [place.labels[label] for place in reading.depth]
        if kind == "value":
            rows.append([[one.value for one in found]])
        else:
            rows.append(np.transpose([one.chance if kind == "chance" else one.within for one in found]))
    values = np.concatenate([np.atleast_2d(np.array(row, dtype=np.float64)) for row in rows])
    return 100 * (values / values[:, :1] - 1)


def depth(found: Analysis, label: str, names: tuple[str, str], published: dict[str, float] | None = None) -> Figure:
    """SNNL of the whole feature by depth, as the change against the first; chance as a band, published means as lines.

    Args:
        found: What was read.
        label: By which attribute, or the class.
        names: What the two models are called.
        published: Data set -> mean fall a position, in %.
    """
    places = [place.name for place in found.after[0].depth]
    figure = style.canvas(2.75 + 0.17 * len(published or {}))
    axes = figure.subplots()
    at = np.arange(len(places))
    drawn = change(found.after, label, "chance")
    axes.fill_between(at, drawn.min(0), drawn.max(0), color=BAND, lw=0, label="by chance")
    axes.axhline(0, color=LINE, lw=0.8)
    for dashes, (name, fall) in zip(PUBLISHED_DASHES, (published or {}).items(), strict=False):
        axes.plot(
            at, 100 * ((1 - fall / 100) ** at - 1), color=MUTED, lw=1.2, dashes=dashes, label=f"published, {name}"
        )
    if len(found.after[0].depth[0].labels[label].within):
        within = change(found.after, label, "within").mean(0)
        axes.plot(at, within, color=style.GROUP_COLOURS[0], lw=1.2, dashes=(4, 2), label="by class alone")
    for (colour, name), readings in zip(
        [(FIRST, names[0]), (AFTER, names[1])][-len(found.sides) :], found.sides, strict=True
    ):
        _folds(axes, change(readings, label), colour, name)
    axes.set_xticks(
        at, distinct(places, 12), rotation=0 if len(places) < 6 else 60, fontsize=8 if len(places) < 6 else 7
    )
    axes.set_ylabel("change of SNNL (%)")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y")
    style.legend(figure, axes)
    return figure


def _folds(axes: Axes, values: NDArray[np.float64], colour: str, name: str) -> None:
    at = np.arange(values.shape[1])
    for line in values if len(values) > 1 else ():
        axes.plot(at, line, color=colour, lw=0.6, alpha=0.5)
    axes.plot(at, values.mean(0), "o-", color=colour, lw=1.8, markersize=4, label=name, zorder=3)
