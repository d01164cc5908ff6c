"""The grid of settings as a map: what the rule looks at and what it costs, cell by cell, the chosen cells marked."""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fairshrink.report import style
from fairshrink.report.grids import Cell, Grid
from fairshrink.report.style import INK, MUTED, plain
from fairshrink.report.words import number, signed

# On a cell, whose colour is the same in the dark: not the page's own ink and paper, which change.
DARK, LIGHT = "#111111", "#fefefe"
# Even steps of lightness, and kept apart by the colour-blind: one way for what is at least 0, two ways around no change.
ONE_WAY, TWO_WAYS = "cividis", "PuOr"
WHOLE, SHORT = 8, 11  # Columns that whole numbers fit into, and numbers without their leading 0.
_SIDE = 0.47  # half of a cell; a little less than 0.5, so that cells stand apart


class Shade(NamedTuple):
    """What a map shows of a cell, on which scale."""

    title: str
    of: Callable[[Cell], float | None]
    scale: Normalize
    colours: str
    text: Callable[[float | None], str]


def shades(grids: Sequence[Grid], name: str) -> list[Shade]:
    """What the rule looks at, and the change of macro F1; the same scales for all grids of a stage."""
    cells = [cell for grid in grids for cell in grid.cells.values()]
    values = [cell.value for cell in cells if cell.value is not None]
    changes = [abs(cell.change) for cell in cells if cell.change is not None]
    found = [Shade(name, lambda cell: cell.value, _scale(values), ONE_WAY, number)] if values else []
    if changes:
        reach = max([*changes, 0.001])
        found.append(Shade("change of macro F1", lambda cell: cell.change, Normalize(-reach, reach), TWO_WAYS, signed))
    return found


def _scale(values: Sequence[float]) -> Normalize:
    """From the smallest to the largest; a little apart when all are equal."""
    low, high = min(values), max(values)
    return Normalize(low, high if high > low else low + 1e-3)


def heat(grid: Grid, shade: Shade) -> Figure:
    """One map over two settings: colour and number are the mean over the folds."""
    rows, printed = len(grid.ys), len(grid.xs) <= SHORT
    height = 0.4 if printed else 0.24
    figure = style.canvas(height * rows + 1.15)
    axes, bar = figure.subplots(2, 1, height_ratios=[height * rows, 0.09])
    for place, cell in grid.cells.items():
        _cell(axes, (grid.xs.index(place[0]), grid.ys.index(place[1])), cell, shade, len(grid.xs))
    axes.set_title(plain(shade.title, 40))
    _ends(axes, grid)
    _bar(bar, shade)
    return figure


def _cell(axes: Axes, at: tuple[int, int], cell: Cell, shade: Shade, columns: int) -> None:
    value = shade.of(cell)
    if value is None:
        _box(axes, at, "none", MUTED, 0.6)
        axes.annotate("–", at, ha="center", va="center", color=MUTED)
        return
    colour = to_hex(mpl.colormaps[shade.colours](shade.scale(value)))
    ink = ink_on(colour)
    _box(axes, at, colour, "none", 0)
    _hatch(axes, at, cell, ink)
    if cell.chosen:
        _box(axes, at, "none", LIGHT if ink == LIGHT else DARK, 1.8)
    lines = _texts(cell, shade.text(value), columns)
    patch = {"boxstyle": "square,pad=0.12", "fc": colour, "ec": "none"} if cell.excluded and lines else None
    axes.annotate("\n".join(lines), at, ha="center", va="center", color=ink, fontsize=7.2 if columns <= WHOLE else 6.2,
                  fontweight="bold" if cell.chosen else "normal", linespacing=1.05,
                  bbox=patch)  # fmt: skip


def _texts(cell: Cell, value: str, columns: int) -> list[str]:
    """What is printed in a cell: its value where it fits, and how many folds chose it."""
    value = value if columns <= WHOLE else value.replace("0.", ".", 1)
    chosen = [f"● {cell.chosen}" if columns <= SHORT else str(cell.chosen)] if cell.chosen else []
    return [*([value] if columns <= SHORT else []), *chosen]


def ink_on(colour: str) -> str:
    """The letters' colour that stands out from a cell's colour."""
    return DARK if lightness(colour) > 52 else LIGHT


def lightness(colour: str) -> float:
    """CIE L* of a colour #rrggbb, 0 to 100: equal steps look equal."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 116 * luminance ** (1 / 3) - 16 if luminance > 0.008856 else 903.3 * luminance


def _box(axes: Axes, at: tuple[int, int], face: str, edge: str, width: float) -> None:
    side = _SIDE - 0.03 if face == "none" else _SIDE
    axes.add_patch(
        Rectangle((at[0] - side, at[1] - side), 2 * side, 2 * side, facecolor=face, edgecolor=edge, lw=width)
    )


def _hatch(axes: Axes, at: tuple[int, int], cell: Cell, ink: str) -> None:
    """Strokes over a cell that the rule excludes: one way in some folds, both ways in all."""
    if not cell.excluded:
        return
    slopes = (1, -1) if cell.excluded == len(cell.values) else (1,)
    for offset in np.linspace(-0.6, 0.6, 4) * _SIDE * 2:
        for slope in slopes:
            # The part of the line y = slope * x + offset that lies within the cell.
            ends = np.array([-_SIDE - min(offset * slope, 0.0), _SIDE - max(offset * slope, 0.0)])
            axes.plot(at[0] + ends, at[1] + slope * ends + offset, color=ink, lw=0.6, alpha=0.6, solid_capstyle="butt")


def _ends(axes: Axes, grid: Grid) -> None:
    axes.set_xlim(-0.52, len(grid.xs) - 0.48)
    axes.set_ylim(-0.52, len(grid.ys) - 0.48)
    axes.set_xticks(range(len(grid.xs)), ticks(grid.xs))
    axes.set_yticks(range(len(grid.ys)), ticks(grid.ys))
    axes.set_xlabel(plain(grid.x))
    axes.set_ylabel(plain(grid.y))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def ticks(values: Sequence[float]) -> list[str]:
    """Values of a setting as labels; of many, only so many that they fit."""
    every = -(-len(values) // 10)
    return [f"{value:.3g}" if place % every == 0 else "" for place, value in enumerate(values)]


def _bar(axes: Axes, shade: Shade) -> None:
    """The scale, as narrow as it can be."""
    steps = np.linspace(0, 1, 49)
    for left, right in itertools.pairwise(steps):
        colour = to_hex(mpl.colormaps[shade.colours]((left + right) / 2))
        axes.axvspan(left, right, color=colour, lw=0.3)
    axes.set_xlim(0, 1)
    axes.set_yticks([])
    low, high = shade.scale.vmin or 0.0, shade.scale.vmax or 0.0
    middle = (low + high) / 2
    axes.set_xticks([0, 0.5, 1], [shade.text(low), shade.text(middle), shade.text(high)])
    axes.spines[:].set_visible(False)
    axes.tick_params(labelsize=7.5)


def strip(grid: Grid, shade: Shade, bound: float | None = None) -> Figure:
    """The same along one setting: thin lines are folds, the thick one is their mean, rings are what was chosen."""
    figure = style.canvas(2.0)
    axes = figure.subplots()
    cells = [grid.cells[x, 0.0] for x in grid.xs]
    for fold in sorted({fold for cell in cells for fold in cell.values}) if len(cells[0].values) > 1 else []:
        single = [cell._replace(values=_only(cell.values, fold), changes=_only(cell.changes, fold)) for cell in cells]
        axes.plot(grid.xs, _line(single, shade), color=MUTED, lw=0.5, alpha=0.55)
    mean = _line(cells, shade)
    axes.plot(grid.xs, mean, color=style.GROUP_COLOURS[0], lw=2.0, marker="o", ms=4)
    for x, y, cell in zip(grid.xs, mean, cells, strict=True):
        if cell.chosen and not np.isnan(y):
            axes.plot([x], [y], "o", ms=10, mfc="none", mec=INK, mew=1.1)
            axes.annotate(f"● {cell.chosen}", (x, y), (7, 6), textcoords="offset points", fontsize=7.5)
    if bound is not None and shade.colours == TWO_WAYS:
        axes.axhline(-bound, color=MUTED, lw=1, dashes=(4, 3))
        axes.annotate("the rule's bound", (1, -bound), (0, 3), ("axes fraction", "data"), "offset points",
                      ha="right", fontsize=7.5, color=MUTED)  # fmt: skip
    axes.margins(y=0.25)
    axes.set_title(plain(shade.title, 40))
    axes.set_xlabel(plain(grid.x))
    axes.grid(axis="y")
    return figure


def _only(values: dict[int, float | None], fold: int) -> dict[int, float | None]:
    return {key: value for key, value in values.items() if key == fold}


def _line(cells: Sequence[Cell], shade: Shade) -> np.ndarray:
    return np.array([np.nan if (value := shade.of(cell)) is None else value for cell in cells])
