"""Permutation and resampling of rows, literally: shuffle the group column, draw the rows; and what draws say."""

import math
from fractions import Fraction

import numpy as np


def permuted_within(strata, values, rng):
    """The values shuffled among the rows of the same stratum."""
    out = values.copy()
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        out[rows] = values[rng.permutation(rows)]
    return out


def resampled_rows(cells, rng):
    """Row numbers drawn with replacement within each cell, one fewer than it has (but at least one)."""
    rows = []
    for cell in np.unique(cells):
        mine = np.flatnonzero(cells == cell)
        rows.extend(rng.choice(mine, max(1, len(mine) - 1)))
    return np.array(rows)


def point(draws, most=1.0):
    """The ceil(0.975 (n + 1))-th smallest of the draws that are there, or `most` where there are not so many."""
    there = sorted(draw for draw in draws if not math.isnan(draw))
    rank = math.ceil(Fraction(975, 1000) * (len(there) + 1))
    if not there:
        return math.nan
    return there[rank - 1] if rank <= len(there) else most


def family_points(draws, value):
    """Floors corrected for the number of statistics: draws is a list of lists, one per draw."""
    alone = [point([draw[k] for draw in draws]) for k in range(len(value))]
    scales = {}
    for k, measured in enumerate(value):
        pool = [x for x in [measured, *(draw[k] for draw in draws)] if not math.isnan(x)]
        if not math.isnan(measured) and len(set(pool)) > 1:
            mean = sum(pool) / len(pool)
            scales[k] = mean, math.sqrt(sum((x - mean) ** 2 for x in pool) / len(pool))
    largest = [
        max((draw[k] - mean) / sd for k, (mean, sd) in scales.items() if not math.isnan(draw[k])) for draw in draws
    ]
    corrected = {k: mean + sd * point(largest, math.inf) for k, (mean, sd) in scales.items()}
    return [max(alone[k], min(corrected[k], 1.0)) if k in scales else alone[k] for k in range(len(value))]
