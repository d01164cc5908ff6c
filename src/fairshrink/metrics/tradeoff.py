"""One number, or one front, for accuracy against gap."""

from collections.abc import Sequence

import numpy as np

from fairshrink.errors import DataError


def fate(acc: float, acc_baseline: float, gap: float, gap_baseline: float, weight: float = 1.0) -> float:
    """Relative gain in accuracy minus the weighted relative growth of the gap; above 0 is a good trade.

    Args:
        acc: The method's score: macro F1, average of the groups, in the papers.
        acc_baseline: The same of the model that the method started from.
        gap: The method's gap, any of eopp0, eopp1, eodd.
        gap_baseline: The same of the model that the method started from.
        weight: Of the gap's term.

    Returns:
        (acc - acc_baseline) / acc_baseline - weight * (gap - gap_baseline) / gap_baseline; NaN if an input is NaN.

    Raises:
        DataError: A baseline is 0: relative to nothing there is no change.

    Source: Xu et al. 2023 (FairAdaBN), as used by Kong et al. 2024.
    """
    for name, value in (("acc_baseline", acc_baseline), ("gap_baseline", gap_baseline)):
        if value == 0:
            raise DataError(f"{name} is 0, but FATE divides by it: compare the values themselves instead.")
    return (acc - acc_baseline) / acc_baseline - weight * (gap - gap_baseline) / gap_baseline


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Which points no other beats: none has a score as high and a gap as low, and one of the two better.

    Args:
        points: (score, gap) pairs; a higher score and a lower gap are better. A pair with NaN is never on the front.

    Returns:
        Indices in the order of the points; equal points are all on it.
    """
    table = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    score, gap = table[:, 0], table[:, 1]
    as_good = (score[None] >= score[:, None]) & (gap[None] <= gap[:, None])
    better = (score[None] > score[:, None]) | (gap[None] < gap[:, None])
    beaten = (as_good & better).any(1) | np.isnan(table).any(1)
    return np.flatnonzero(~beaten).tolist()
