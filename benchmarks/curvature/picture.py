"""Error against time, from the JSON of runs: python -m benchmarks.curvature.picture FILE.json... docs/pictures/curvature.png."""

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fairshrink.report.style import INK, METHOD_COLOURS, MUTED, canvas, drawing

SMALLEST = 1e-6  # where exact methods stand on an axis that has no zero
PEER, OURS = METHOD_COLOURS[2], METHOD_COLOURS[6]
LABELS = {
    "BackPACK DiagGGNExact": "BackPACK, exact",
    "BackPACK DiagGGNMC, 1 draw": "BackPACK, Monte Carlo",
    "ours, exact": "ours, exact",
    "ours, 1 column": "ours, 1 column",
    "ours, 2 columns": "ours, 2 columns",
    "ours, 4 columns": "ours, 4 columns",
}


def picture(settings: list[dict[str, Any]]) -> Figure:
    """One panel for each setting, on the same axes; a mark for each method, BackPACK's round, ours square."""
    with drawing():
        wide = min(2, len(settings))
        figure = canvas(2.9 * -(-len(settings) // wide), 4.6 * wide)
        panels = figure.subplots(-(-len(settings) // wide), wide, squeeze=False, sharex=True, sharey=True).flatten()
        for axes, setting in zip(panels, settings, strict=False):
            _panel(axes, setting)
        for axes in panels[len(settings) :]:
            axes.set_visible(False)
        figure.supxlabel("seconds a sample; dotted: a training pass", fontsize=9, color=INK)
        figure.supylabel("error of the diagonal", fontsize=9, color=INK)
    return figure


def _panel(axes: Axes, setting: dict[str, Any]) -> None:
    axes.set(xscale="log", yscale="log", title=setting["name"], ylim=(SMALLEST / 3, 5))
    axes.grid(visible=True, which="major")
    axes.set_yticks([SMALLEST, 1e-4, 1e-2, 1], ["exact", "0.01 %", "1 %", "100 %"])
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.axhline(0.01, color=MUTED, linewidth=0.8, linestyle="--")
    rows = {row["method"]: row for row in setting["rows"] if row["seconds"] is not None}
    for method, label in LABELS.items():
        if method in rows:
            _mark(axes, rows[method], label)
    axes.axvline(rows["plain forward and backward"]["seconds"], color=MUTED, linewidth=0.8, linestyle=":")
    axes.margins(x=0.5)


def _mark(axes: Axes, row: dict[str, Any], label: str) -> None:
    place = (row["seconds"], max(row["pooled"], SMALLEST))
    theirs = row["method"].startswith("BackPACK")
    axes.plot(*place, marker="o" if theirs else "s", color=PEER if theirs else OURS, markersize=6, linestyle="none")
    # Away from each other: ours is always on the left.
    side, aligned = ((6, 0), "left") if theirs else ((-6, 0), "right")
    colour = PEER if theirs else OURS
    axes.annotate(label, place, side, textcoords="offset points", ha=aligned, va="center", fontsize=7.5, color=colour)


def main() -> None:
    """Reads all arguments but the last, which it writes."""
    *sources, target = map(Path, sys.argv[1:])
    settings = [setting for path in sources for setting in json.loads(path.read_text(encoding="utf-8"))["settings"]]
    with drawing():
        picture(settings).savefig(target, dpi=150, facecolor="white")


if __name__ == "__main__":
    main()
