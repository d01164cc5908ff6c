"""How often the interval holds the true gap, and how often a gap is above its floor, by simulation.

    python -m benchmarks.coverage ham              # HAM10000, 20 % split, by sex
    python -m benchmarks.coverage all              # HAM10000, all images
    python -m benchmarks.coverage four             # HAM10000, 20 % split, four groups
    python -m benchmarks.coverage fitzpatrick      # 20 % of Fitzpatrick-17k, by tone; reads $FAIRSHRINK_DATA
    python -m benchmarks.coverage clusters         # HAM10000, 20 % split by lesion, lesions as clusters; reads $FAIRSHRINK_DATA
    python -m benchmarks.coverage ignored          # the same images as if each were a lesion of its own
    python -m benchmarks.coverage ham --models 20  # fewer simulated models, for a look

Each simulated model has a known TPR per group and class. EOpp1 does not see which wrong class an error falls on, so all
errors of a class fall on the next one. "even": every class has the same gap; "half": every other class has one, about twice
as large. An image of a lesion has the lesion's outcome with probability 0.8 and else one of its own: the outcomes of two are
correlated by 0.64.
"""

import argparse
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from fairshrink.metrics.counts import GroupCounts, count, margins
from fairshrink.metrics.gaps import GAPS, statistics
from fairshrink.metrics.uncertainty import uncertainty
from fairshrink.metrics.units import Units, units_of_clusters, units_of_rows

# Images of each class in a fifth of HAM10000, female and male, and a ResNet-18's TPR: nv, mel, bkl, bcc, akiec, vasc, df.
CLASSES = ("nv", "mel", "bkl", "bcc", "akiec", "vasc", "df")
HAM = np.array([[647, 85, 93, 39, 21, 15, 10], [684, 138, 125, 63, 44, 14, 13]])
HAM_TPR = np.array([0.93, 0.40, 0.55, 0.6, 0.4, 0.7, 0.4])
GAPS_TRIED = (0, 0.05, 0.1, 0.2, 0.3)
AT = GAPS.index("eopp1")
SHARED = 0.8
FIRST = 100_000  # the interval was chosen on models of other seeds


class Setting(NamedTuple):
    """Cell sizes (G, C), mean TPR per class (C,), models per gap, resamples; the lesions (L, 3): group, class, images."""

    cells: np.ndarray
    tpr: np.ndarray
    models: int
    draws: int = 200
    lesions: np.ndarray | None = None
    ignored: bool = False


def data_root() -> Path:
    return Path(os.environ.get("FAIRSHRINK_DATA", Path(__file__).parents[2] / "shared" / "data"))


def fitzpatrick() -> Setting:
    """Cells of a 20 % split of Fitzpatrick-17k, light and dark tones, 114 classes."""
    table = pd.read_csv(data_root() / "fitzpatrick17k" / "fitzpatrick17k.csv")
    known = table[table["fitzpatrick_scale"] > 0]
    cells = (pd.crosstab(known["fitzpatrick_scale"] > 3, known["label"]).to_numpy() * 0.2).round().astype(int)
    return Setting(cells, np.random.default_rng(9).uniform(0.2, 0.8, cells.shape[1]), 400)


def lesions(ignored: bool = False) -> Setting:
    """Every fifth lesion of each sex, class and size."""
    table = pd.read_csv(data_root() / "ham10000" / "HAM10000_metadata.csv")
    table = table[table["sex"].isin(["female", "male"])]
    each = table.groupby("lesion_id").agg(sex=("sex", "first"), dx=("dx", "first"), images=("dx", "size"))
    rows = np.array([[sex == "male", CLASSES.index(dx), images] for sex, dx, images in each.itertuples(index=False)])
    some = rows[np.lexsort(rows.T[::-1])][2::5]
    cells = np.zeros((2, len(CLASSES)), dtype=np.int64)
    np.add.at(cells, (some[:, 0], some[:, 1]), some[:, 2])
    return Setting(cells, HAM_TPR, 1000, lesions=some, ignored=ignored)


def setting(name: str) -> Setting:
    """One of those that the documentation's table has."""
    return {
        "ham": lambda: Setting(HAM, HAM_TPR, 1000),
        "all": lambda: Setting(HAM * 5, HAM_TPR, 1000),
        "four": lambda: Setting(np.concatenate([HAM, HAM]) // 2, HAM_TPR, 600),
        "fitzpatrick": fitzpatrick,
        "clusters": lesions,
        "ignored": lambda: lesions(ignored=True),
    }[name]()


def true_tpr(at: Setting, gap: float, pattern: str) -> np.ndarray:
    """TPR per group and class, (G, C), of a model whose mean TPR gap is `gap` (where the TPRs leave room)."""
    num_groups, num_classes = at.cells.shape
    classes = np.arange(num_classes)
    every_other = np.where(classes % 2 == 1, min(0.9, gap * num_classes / (num_classes // 2)), 0)
    width = np.full(num_classes, gap) if pattern == "even" else every_other
    side = np.where(classes % 2 == 0, 1, -1) * np.linspace(1, -1, num_groups)[:, None] / 2
    return np.clip(at.tpr, width / 2 + 0.01, 0.99 - width / 2) + side * width


def table_of(hits: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Counts, (G, C, C), with so many hits and all errors on the next class."""
    classes = np.arange(cells.shape[1])
    counts = np.zeros((*cells.shape, cells.shape[1]), dtype=hits.dtype)
    counts[:, classes, classes] = hits
    counts[:, classes, (classes + 1) % classes.size] += cells - hits
    return counts


def sample(at: Setting, tpr: np.ndarray, rng: np.random.Generator) -> Units:
    """One test set's predictions."""
    if at.lesions is None:
        return units_of_rows(GroupCounts(table_of(rng.binomial(at.cells, tpr), at.cells)))
    lesion = np.repeat(np.arange(len(at.lesions)), at.lesions[:, 2])
    g, y = at.lesions[lesion, 0], at.lesions[lesion, 1]
    outcome = np.where(rng.random(y.size) < SHARED, rng.random(len(at.lesions))[lesion], rng.random(y.size))
    pred = np.where(outcome < tpr[g, y], y, (y + 1) % tpr.shape[1])
    counts = count(y, pred, g, num_groups=tpr.shape[0], num_classes=tpr.shape[1])
    return units_of_rows(counts) if at.ignored else units_of_clusters(y, pred, g, lesion, counts)


def simulate(at: Setting, gap: float, pattern: str, first: int) -> str:
    """One row of the table."""
    tpr = true_tpr(at, gap, pattern)
    true = float(statistics(margins(table_of(at.cells * tpr, at.cells)), "strict")[AT])
    held, above, named, values, widths = [], [], [], [], []
    for seed in range(first, first + at.models):
        sure = uncertainty(sample(at, tpr, np.random.default_rng([seed])), n_boot=at.draws, seed=seed)
        held.append(sure.low[AT] - 1e-12 <= true <= sure.high[AT] + 1e-12)
        above.append(sure.value[AT] > sure.null_high[AT])
        named.append((sure.value > sure.null_high)[len(GAPS) :].any())
        values.append(sure.value[AT])
        widths.append(sure.high[AT] - sure.low[AT])
    shares = " | ".join(with_error(share) for share in (held, above, named))
    return f"| {true:.3f} | {pattern} | {shares} | {np.mean(values):.3f} | {np.mean(widths):.3f} |"


def with_error(found: list[bool]) -> str:
    """A share and its Monte-Carlo standard error."""
    share = np.mean(found)
    return f"{share:.3f} ± {np.sqrt(share * (1 - share) / len(found)):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("setting", choices=("ham", "all", "four", "fitzpatrick", "clusters", "ignored"))
    parser.add_argument("--models", type=int, help="simulated models per row")
    parser.add_argument("--gaps", type=float, nargs="+", default=GAPS_TRIED, help="true gaps to try")
    parser.add_argument("--first", type=int, default=FIRST, help="first seed: models of other seeds are other models")
    options = parser.parse_args()
    at = setting(options.setting)
    at = at._replace(models=options.models or at.models)
    print(f"{options.setting}: {at.models} models a row, seeds from {options.first}, {at.draws} resamples\n")
    print(
        "| true eopp1 | pattern | holds the truth | above the floor | a class above its floor | mean value | mean width |"
    )
    print("|---|---|---|---|---|---|---|")
    for gap in options.gaps:
        for pattern in ("even", "half") if gap else ("even",):
            print(simulate(at, gap, pattern, options.first), flush=True)


if __name__ == "__main__":
    main()
