"""What a step did to the weights: importance by group, as Fig. 1 of Guo et al. 2024 asks, and the weights by layer."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fairshrink.report import style
from fairshrink.report.portrayed import Joint, Layer, Portrait
from fairshrink.report.style import BAND, INK, MUTED, cycle, distinct, plain

AFTER, QUANTISED = "#d55e00", "#0072b2"
ON_MAP, ZERO = "#fefefe", "#d55e00"  # Over the map's own colours, so the same in the dark.
FEWEST = 3  # Weights in a cell of the map: a share of fewer says nothing.
COLUMNS = 2


def importance(portrait: Portrait) -> Figure:
    """One histogram for each group over the same axis: all weights, and those that are fixed."""
    figure, rows = style.stacked([0.95] * len(portrait.groups), 0.62 + 0.24 * len(portrait.groups))
    found = portrait.importance
    edges = found.low + found.width * np.arange(len(found.all[0]) + 1)
    for group, (axes, name) in enumerate(zip(rows, portrait.groups, strict=True)):
        colour = cycle(style.GROUP_COLOURS, group)
        share = 100 / max(portrait.score.weights, 1)
        axes.stairs(np.array(found.all[group]) * share, edges, color=INK, lw=1.1, label="all weights", zorder=3)
        axes.stairs(
            np.array(found.fixed[group]) * share, edges, fill=True, color=colour, alpha=0.55, lw=0, label="fixed"
        )
        axes.set_title(plain(name) + (" (unprivileged)" if name == portrait.unprivileged else ""))
        axes.set_ylim(bottom=0)
        axes.set_ylabel("% of weights")
        axes.grid(axis="y")
    _powers(rows[-1])
    rows[-1].set_xlabel("importance for the group (nats)")
    handles, labels = rows[0].get_legend_handles_labels()
    figure.legend(handles, [labels[0], "of them fixed (filled)"], loc="outside lower left", ncols=2)
    return figure


def _powers(axes: Axes, *, both: bool = False) -> None:
    """Powers of ten along the axis."""
    for axis in (axes.xaxis, axes.yaxis) if both else (axes.xaxis,):
        axis.set_major_locator(MaxNLocator(6, integer=True))
        axis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(round(value))))


def power_of_ten(exponent: int) -> str:
    """A power of ten as it is written.

    >>> power_of_ten(-8), power_of_ten(0)
    ('10⁻⁸', '1')
    """
    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    return f"10{str(exponent).translate(raised)}" if exponent else "1"


def joint(portrait: Portrait) -> Figure:
    """Which weights were fixed, by their importance for the unprivileged group (along) and for the others (up)."""
    found = portrait.joint
    figure = style.canvas(3.75)
    axes = figure.subplots()
    ends = (found.low, found.low + found.width * len(found.all))
    shown = axes.imshow(fixed_share(found).T, origin="lower", extent=(*ends, *ends), cmap="cividis", vmin=0, vmax=1,
                        interpolation="none", aspect="equal")  # fmt: skip
    _density(axes, found)
    same = "as important for both" + (", score 0: below 0 above the line" if portrait.score.beta == 1 else "")
    axes.plot(ends, ends, color=MUTED, lw=0.8, dashes=(2, 2), label=same)
    if portrait.score.beta and portrait.score.beta != 1:
        up = -float(np.log10(portrait.score.beta))
        axes.plot(ends, (ends[0] + up, ends[1] + up), color=ZERO, lw=1.2, label="score 0: below 0 above the line")
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    _powers(axes, both=True)
    others = [name for name in portrait.groups if name != portrait.unprivileged]
    axes.set_xlabel(f"importance for {plain(portrait.unprivileged, 18)} (unprivileged) →")
    axes.set_ylabel(f"for {plain(others[0], 22) if len(others) == 1 else 'the others'} →")
    bar = figure.colorbar(shown, ax=axes, shrink=0.8, format=FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]  # an artist, which the stubs do not know
    style.legend(figure, axes)
    return figure


def fixed_share(found: Joint) -> np.ndarray:
    """Share of the fixed weights in each cell; NaN where there are next to none."""
    every, some = np.array(found.all, dtype=np.float64), np.array(found.fixed, dtype=np.float64)
    return np.divide(some, every, out=np.full_like(every, np.nan), where=every >= FEWEST)


def _density(axes: Axes, found: Joint) -> None:
    """Lines around the cells that hold half and 95 % of the weights."""
    counts = np.array(found.all, dtype=np.float64)
    levels = holding(counts, (0.95, 0.5))
    middle = found.low + found.width * (np.arange(len(counts)) + 0.5)
    if len(levels) and min(counts.shape) > 1:
        axes.contour(middle, middle, counts.T, levels=levels, colors=ON_MAP, linewidths=(0.7, 1.2)[: len(levels)])


def holding(counts: np.ndarray, shares: Sequence[float]) -> list[float]:
    """The count above which cells hold these shares of all, ascending and each once."""
    ordered = np.sort(counts.ravel())[::-1]
    total = ordered.sum()
    if not total:
        return []
    found = [float(ordered[np.searchsorted(ordered.cumsum(), share * total)]) for share in shares]
    return sorted({level for level in found if level < ordered[0]})


def depth(portrait: Portrait) -> Figure:
    """Share of the fixed weights of every layer, in the model's order: at 0, and at a power of two."""
    layers = portrait.layers
    figure = style.canvas(0.19 * len(layers) + 0.85)
    axes = figure.subplots()
    rows = np.arange(len(layers))
    zeros = np.array([100 * layer.zero / layer.weights for layer in layers])
    others = np.array([100 * layer.quantised / layer.weights for layer in layers])
    if zeros.any():
        axes.barh(rows, zeros, height=0.68, color=MUTED, label="zero")
    if others.any():
        axes.barh(rows, others, left=zeros, height=0.68, color=QUANTISED, label="power of two")
    axes.set_yticks(rows, distinct([short(layer.name) for layer in layers], 22))
    axes.tick_params(axis="y", length=0, labelsize=7.5)
    axes.set_ylim(len(layers) - 0.45, -0.55)
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of the layer's weights")
    axes.grid(axis="x")
    style.legend(figure, axes)
    return figure


def short(name: str) -> str:
    """A layer's name without what all of them end in."""
    return name.removesuffix(".weight")


def layers(found: Sequence[Layer]) -> Figure:
    """The weights of some layers, before (grey) and after (line), as shares of the layer on a square-root axis."""
    high = -(-len(found) // COLUMNS)
    figure = style.canvas(1.15 * high + 0.45)
    grid = figure.subplots(high, COLUMNS, squeeze=False).ravel()
    for axes, layer in zip(grid, found, strict=False):
        _layer(axes, layer)
    for axes in grid[len(found) :]:
        axes.set_visible(False)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=2)
    return figure


def _layer(axes: Axes, layer: Layer) -> None:
    edges = np.linspace(-layer.reach, layer.reach, len(layer.before) + 1)
    before, after = (np.sqrt(np.array(counts) / layer.weights) for counts in (layer.before, layer.after))
    axes.stairs(before, edges, fill=True, color=BAND, lw=0, label="before")
    axes.stairs(before, edges, color=MUTED, lw=0.6)
    axes.stairs(after, edges, color=AFTER, lw=1.0, label="after", zorder=3)
    axes.set_title(plain(short(layer.name), 24), fontsize=8)
    axes.set_ylim(0, 1.08 * max(float(before.max()), float(after.max()), 1e-6))
    axes.set_xlim(-layer.reach, layer.reach)
    axes.xaxis.set_major_locator(MaxNLocator(3, symmetric=True))
    axes.tick_params(labelsize=7)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value**2:.2g} %"))
