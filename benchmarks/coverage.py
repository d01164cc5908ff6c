"""How often the interval holds the true gap, and how often a gap is above its floor, by simulation.

    python -m benchmarks.coverage ham              # HAM10000, 20 % split, by sex: about 20 minutes on one core
    python -m benchmarks.coverage all              # HAM10000, all images
    python -m benchmarks.coverage four             # HAM10000, 20 % split, four groups
    python -m benchmarks.coverage fitzpatrick      # 20 % of Fitzpatrick-17k, by tone; reads $FAIRSHRINK_DATA
    python -m benchmarks.coverage ham --models 20  # fewer simulated models, for a look

Each simulated model has a known TPR per group and class; its errors fall on the other classes in the same proportions in
both groups. "even": every class has the same gap; "half": every other class has one, twice as large.
"""

import argparse
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from fairshrink.metrics.counts import GroupCounts, margins
from fairshrink.metrics.gaps import GAPS, statistics
from fairshrink.metrics.uncertainty import uncertainty
from fairshrink.metrics.units import units_of_rows

# Test images of each class in a 20 % split of HAM10000, female and male, and a ResNet-18's TPR.
HAM = np.array([[610, 101, 100, 47, 30, 13, 10], [724, 120, 119, 56, 35, 15, 13]])
HAM_TPR = np.array([0.93, 0.40, 0.55, 0.6, 0.4, 0.7, 0.4])
AT = GAPS.index("eopp1")


class Setting(NamedTuple):
    """Cell sizes (G, C), mean TPR per class (C,), true gaps to try, models per gap, resamples."""

    cells: np.ndarray
    tpr: np.ndarray
    gaps: tuple[float, ...]
    models: int
    draws: int


def fitzpatrick() -> Setting:
    """Cells of a 20 % split of Fitzpatrick-17k, light and dark tones, 114 classes."""
    root = Path(os.environ.get("FAIRSHRINK_DATA", Path(__file__).parents[2] / "shared" / "data"))
    table = pd.read_csv(root / "fitzpatrick17k" / "fitzpatrick17k.csv")
    known = table[table["fitzpatrick_scale"] > 0]
    cells = (pd.crosstab(known["fitzpatrick_scale"] > 3, known["label"]).to_numpy() * 0.2).round().astype(int)
    tpr = np.random.default_rng(9).uniform(0.2, 0.8, cells.shape[1])
    return Setting(cells, tpr, (0, 0.1, 0.2, 0.3), 150, 200)


def setting(name: str) -> Setting:
    """One of the four that the documentation's table has."""
    return {
        "ham": lambda: Setting(HAM, HAM_TPR, (0, 0.05, 0.1, 0.2, 0.3), 400, 400),
        "all": lambda: Setting(HAM * 5, HAM_TPR, (0, 0.05, 0.1, 0.2), 200, 300),
        "four": lambda: Setting(np.concatenate([HAM, HAM]) // 2, HAM_TPR, (0, 0.1, 0.2), 200, 300),
        "fitzpatrick": fitzpatrick,
    }[name]()


def true_rates(at: Setting, gap: float, pattern: str, rng: np.random.Generator) -> np.ndarray:
    """P(predicted | group, true), (G, C, C), of one model whose mean TPR gap is `gap` (where the TPRs leave room)."""
    num_groups, num_classes = at.cells.shape
    classes = np.arange(num_classes)
    every_other = np.where(classes % 2 == 1, min(0.9, gap * num_classes / (num_classes // 2)), 0)
    width = np.full(num_classes, gap) if pattern == "even" else every_other
    side = np.where(classes % 2 == 0, 1, -1) * np.linspace(1, -1, num_groups)[:, None] / 2
    tpr = np.clip(at.tpr, width / 2 + 0.01, 0.99 - width / 2) + side * width
    rates = np.zeros((num_groups, num_classes, num_classes))
    for k in classes:
        rates[:, k, classes != k] = (1 - tpr[:, k, None]) * rng.dirichlet(np.full(num_classes - 1, 0.5))
        rates[:, k, k] = tpr[:, k]
    return rates / rates.sum(-1, keepdims=True)


def simulate(at: Setting, gap: float, pattern: str) -> str:
    """One row of the table."""
    rng, held, above, values, true = np.random.default_rng(0), 0, 0, [], 0.0
    for seed in range(at.models):
        rates = true_rates(at, gap, pattern, rng)
        true = float(statistics(margins(at.cells[:, :, None] * rates), "strict")[AT])
        sure = uncertainty(
            units_of_rows(GroupCounts(rng.multinomial(at.cells, rates))),
            convention="strict",
            n_boot=at.draws,
            seed=seed,
        )
        held += sure.low[AT] - 1e-12 <= true <= sure.high[AT] + 1e-12
        above += sure.value[AT] > sure.null_high[AT]
        values.append(sure.value[AT])
    return f"| {true:.3f} | {pattern} | {held / at.models:.3f} | {above / at.models:.3f} | {np.mean(values):.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("setting", choices=("ham", "all", "four", "fitzpatrick"))
    parser.add_argument("--models", type=int, help="simulated models per row")
    options = parser.parse_args()
    at = setting(options.setting)
    at = at._replace(models=options.models or at.models)
    print("| true eopp1 | pattern | holds the truth | above the floor | mean value |\n|---|---|---|---|---|")
    for gap in at.gaps:
        for pattern in ("even", "half") if gap else ("even",):
            print(simulate(at, gap, pattern), flush=True)


if __name__ == "__main__":
    main()
