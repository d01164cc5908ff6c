"""Intervals and null floors of every gap from counts, beside fairlearn's bootstrap of one gap, in one run.

    python benchmarks/resampling.py

100,000 predictions, 8 classes, 4 groups. fairlearn has no gap over several classes: its MetricFrame resamples the TPR of
each class by group (what EOpp1 is made of). It is timed on 5 resamples and scaled to 1,000.
"""

import functools
import platform
import time

import numpy as np
from fairlearn.metrics import MetricFrame
from sklearn.metrics import recall_score

from fairshrink.metrics.counts import count
from fairshrink.metrics.uncertainty import uncertainty
from fairshrink.metrics.units import units_of_rows

ROWS, CLASSES, GROUPS, DRAWS, PEER_DRAWS = 100_000, 8, 4, 1000, 5


def predictions() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Seven of ten right, in every group alike."""
    rng = np.random.default_rng(0)
    y, g = rng.integers(CLASSES, size=ROWS), rng.integers(GROUPS, size=ROWS)
    return y, np.where(rng.random(ROWS) < 0.7, y, rng.integers(CLASSES, size=ROWS)), g


def ours(y: np.ndarray, pred: np.ndarray, g: np.ndarray) -> float:
    """Seconds for every gap's floor and interval, counting included."""
    began = time.perf_counter()
    counts = count(y, pred, g, num_groups=GROUPS, num_classes=CLASSES)
    uncertainty(units_of_rows(counts), convention="strict", n_boot=DRAWS, seed=0)
    return time.perf_counter() - began


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
    rows = predictions()
    # The median of five: a single run of a tenth of a second says more about the machine than about the code.
    fast, slow = sorted(ours(*rows) for _ in range(5))[2], peer(*rows)
    print(f"{platform.machine()}, {time.strftime('%Y-%m-%d')}")
    print(f"{ROWS:,} predictions, {CLASSES} classes, {GROUPS} groups, {DRAWS:,} draws\n")
    print("| what | seconds |\n|---|---|")
    print(f"| ours: floors and intervals of 4 gaps and {CLASSES} class gaps (median of 5) | {fast:.2f} |")
    print(f"| fairlearn: intervals of {CLASSES} TPRs by group ({PEER_DRAWS} draws, scaled) | {slow:.0f} |")


if __name__ == "__main__":
    main()
