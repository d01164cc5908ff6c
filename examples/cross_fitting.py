"""Draws docs/pictures/cross-fitting.png: what each fold does, and EOpp1 with its interval in each fold and in all together.

python examples/cross_fitting.py runs/mine/stages/00-train/predictions.csv sex [FILE]
"""

import sys
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fairshrink.audit import audit
from fairshrink.tables import read_safe_csv

TRAINS, CHOOSES, TESTS = ("trains", "#d9d9d9"), ("validates, chooses", "#7fb3d5"), ("tests", "#1a5276")


def eopp1(table: pd.DataFrame, group: str) -> dict[str, float]:
    """The gap with its interval and what chance reaches."""
    known = table[table[group] != ""]
    found = audit(known["label"], known["prediction"], known[[group]], clusters=known.get("cluster")).to_dict()
    numbers = found["attributes"][group]["gaps"]["eopp1"]
    gap = {name: float(numbers[name]) for name in ("value", "low", "high", "null_high")}
    print(f"{len(known):6,} images: " + ", ".join(f"{name} {value:.3f}" for name, value in gap.items()))
    return gap


def scheme(axes: Axes, rows: list[str]) -> None:
    """Part by part: what it is to each fold."""
    for fold in range(len(rows)):
        for part in range(len(rows)):
            does = TESTS if part == fold else CHOOSES if part == (fold + 1) % len(rows) else TRAINS
            label = does[0] if part < 3 and not fold else None
            axes.barh(fold, 0.94, left=part, height=0.8, color=does[1], label=label)
    axes.set(title="What each part of the data is to each fold", yticks=range(len(rows)), yticklabels=rows)
    axes.set(ylim=(len(rows) + 0.2, -0.6), xticks=[])
    axes.legend(loc="lower left", ncols=3, frameon=False, fontsize=8)


def main(predictions: Path, group: str, target: Path) -> None:
    table = read_safe_csv(predictions)
    parts = {f"fold {name}": part for name, part in table.groupby("fold")}
    figure = Figure(figsize=(9, 3.1), layout="constrained")
    left, right = figure.subplots(1, 2)
    scheme(left, list(parts))
    for row, part in enumerate([*parts.values(), table]):
        gap, said = eopp1(part, group), [None] * 3 if row else ["what chance reaches", "95 % interval", "EOpp1"]
        right.hlines(row, 0, gap["null_high"], lw=10, color="#dddfe1", label=said[0])
        right.hlines(row, gap["low"], gap["high"], lw=2, color=TESTS[1], label=said[1])
        right.plot(gap["value"], row, "o", color=TESTS[1], label=said[2])
    right.set(title=f"EOpp1 by {group}, on test images", ylim=(len(parts) + 1.6, -0.6), yticks=range(len(parts) + 1))
    right.set(yticklabels=[*parts, "all together"], xlim=(0, None))
    right.legend(loc="lower left", ncols=3, frameon=False, fontsize=8, columnspacing=0.9)
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    here = Path(__file__).parents[1] / "docs" / "pictures" / "cross-fitting.png"
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]) if len(sys.argv) > 3 else here)
