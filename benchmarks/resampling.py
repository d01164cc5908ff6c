"""Intervals and null floors of every gap from counts, beside fairlearn's bootstrap of one gap, in one run.

    python benchmarks/resampling.py

100,000 predictions, 8 classes, 4 groups. fairlearn has no gap over several classes: its MetricFrame resamples the TPR of each
class by group (what EOpp1 is made of). It is timed on 5 resamples and scaled to 1,000. Then ours alone where there is most to
draw: 114 classes with few images each, and clusters of mixed classes, hardly two of them alike.
"""

import functools
import platform
import time

import numpy as np
from fairlearn.metrics import MetricFrame
from sklearn.metrics import recall_score

from fairshrink.metrics.counts import count
from fairshrink.metrics.uncertainty import uncertainty
from fairshrink.metrics.units import units_of_clusters, units_of_rows

ROWS, CLASSES, GROUPS, DRAWS, PEER_DRAWS = 100_000, 8, 4, 1000, 5
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def predictions(rows: int = ROWS, classes: int = CLASSES, groups: int = GROUPS) -> Rows:
    """Seven of ten right, in every group alike."""
    rng = np.random.default_rng(0)
    y, g = rng.integers(classes, size=rows), rng.integers(groups, size=rows)
    return y, np.where(rng.random(rows) < 0.7, y, rng.integers(classes, size=rows)), g


def ours(rows: Rows, clusters: np.ndarray | None = None) -> float:
    """Seconds for every gap's floor and interval, counting included; the median of five.

    A single run of a tenth of a second says more about the machine than about the code.
    """
    size, num_groups = int(rows[0].max()) + 1, int(rows[2].max()) + 1
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        counts = count(*rows, num_groups=num_groups, num_classes=size)
        units = units_of_rows(counts) if clusters is None else units_of_clusters(*rows, clusters, counts)
        uncertainty(units, convention="strict", n_boot=DRAWS, seed=0)
        seconds.append(time.perf_counter() - began)
    return sorted(seconds)[2]


def peer(y: np.ndarray, pred: np.ndarray, g: np.ndarray) -> float:
    """Seconds for fairlearn's intervals of each class's TPR by group, scaled to as many draws."""
    metrics = {
        str(k): functools.partial(recall_score, labels=[k], average="macro", zero_division=np.nan)
        for k in range(CLASSES)
    }
    began = time.perf_counter()
    MetricFrame(
        metrics=metrics, y_true=y, y_pred=pred, sensitive_features=g, n_boot=PEER_DRAWS, ci_quantiles=[0.025, 0.975]
    )
    return (time.perf_counter() - began) * DRAWS / PEER_DRAWS


def main() -> None:
    rows, few = predictions(), predictions(3_200, 114, 2)
    mixed, lesion = predictions(groups=2), np.random.default_rng(1).permutation(ROWS) // 3
    mixed = (*mixed[:2], mixed[2][lesion])  # a cluster is in one group
    fast, slow = ours(rows), peer(*rows)
    print(f"{platform.machine()}, {time.strftime('%Y-%m-%d')}, {DRAWS:,} draws; ours: the median of five\n")
    print("| what | seconds |\n|---|---|")
    print(
        f"| ours: floors and intervals of 4 gaps and {CLASSES} class gaps; {ROWS:,} rows, {GROUPS} groups | {fast:.2f} |"
    )
    print(f"| fairlearn: intervals of {CLASSES} TPRs by group, same rows ({PEER_DRAWS} draws, scaled) | {slow:.0f} |")
    print(f"| ratio | {slow / fast:.0f} |")
    print(f"| ours: 4 gaps and 114 class gaps; 3,200 rows, 2 groups | {ours(few):.2f} |")
    print(
        f"| ours: 4 gaps and {CLASSES} class gaps; {ROWS:,} rows in 33,334 mixed clusters | {ours(mixed, lesion):.2f} |"
    )


if __name__ == "__main__":
    main()
