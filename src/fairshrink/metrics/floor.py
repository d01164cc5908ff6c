"""The null floor: what chance alone exceeds in 2.5 % of cases at most, for one statistic and for a family of them.

Under the null hypothesis the value is one more draw, as good as any other. Of n + 1 such numbers at most one in forty is
above the k-th smallest of the others, k = ceil(0.975 (n + 1)), whatever n and their distribution are.
"""

import numpy as np
from jaxtyping import Float

_IN = 40  # one false alarm in so many


def null_point(draws: Float[np.ndarray, "B S"], most: float = 1.0) -> Float[np.ndarray, " S"]:
    """The order statistic that a value exceeds by chance in 2.5 % of cases at most.

    Draws in which a statistic is undefined say nothing about it and are left out.

    Args:
        draws: Statistics of B tables in which groups were permuted; NaN where undefined.
        most: What the statistics cannot exceed.

    Returns:
        `most` where there are fewer than 39 draws: so few can show nothing at this level. NaN where there are none.
    """
    ordered = np.sort(draws, axis=0)  # NaN comes last
    there = (~np.isnan(draws)).sum(0)
    rank = there + 1 - (there + 1) // _IN  # ceil(0.975 (n + 1)), in whole numbers
    found = np.take_along_axis(ordered, np.minimum(rank, draws.shape[0])[None] - 1, axis=0)[0]
    return np.where(there == 0, np.nan, np.where(rank > there, most, found))


def family_point(draws: Float[np.ndarray, "B K"], value: Float[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
    """Floors for a family: by chance any of its values is above its own in 2.5 % of cases at most.

    Each statistic is brought to mean 0 and standard deviation 1; the order statistic of the largest of them in each draw
    is brought back to each one's scale. The value counts as a draw for mean and deviation: what treats all alike keeps
    the level of `null_point`, however few the draws. No floor is below the statistic's own point.

    Args:
        draws: Statistics in [0, 1] of B tables in which groups were permuted; NaN where undefined.
        value: What was measured, (K,); NaN where it cannot be compared.

    Returns:
        A floor for each statistic that can be compared and varies: these are the family. The others keep their own point.

    Source: Westfall and Young 1993, the single-step maximum, on studentised statistics.
    """
    alone = null_point(draws)
    pool = np.concatenate([value[None], draws])
    varies = np.nanmax(pool, axis=0, initial=-np.inf) > np.nanmin(pool, axis=0, initial=np.inf)
    family = varies & ~np.isnan(value)
    if not family.any():
        return alone
    mean, sd = np.nanmean(pool[:, family], axis=0), np.nanstd(pool[:, family], axis=0)
    largest = np.nanmax((draws[:, family] - mean) / sd, axis=1, initial=-np.inf)
    # Rounding must not lift a value above a floor that it ties with.
    floor = mean + sd * null_point(largest[:, None], most=np.inf) + 1e-12
    alone[family] = np.fmax(alone[family], np.minimum(floor, 1.0))
    return alone
