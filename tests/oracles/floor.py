"""Permutation and resampling of rows, literally: shuffle the group column, draw the rows."""

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
