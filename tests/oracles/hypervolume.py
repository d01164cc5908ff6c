"""Covered area of a plane, twice in an obvious way: by inclusion and exclusion of rectangles, and cell by cell."""

from itertools import combinations

import numpy as np


def by_inclusion_and_exclusion(points, reference):
    """Sum over all sets of rectangles: those of odd size count, those of even size are taken off again."""
    corner_score, corner_gap = reference
    area = 0.0
    for size in range(1, len(points) + 1):
        for some in combinations(points, size):
            width = min(score for score, _ in some) - corner_score
            height = corner_gap - max(gap for _, gap in some)
            area += (-1) ** (size + 1) * max(width, 0.0) * max(height, 0.0)
    return area


def by_cells(points, reference, cells=400):
    """Share of a fine grid between the corner and (1, 0) that some point beats."""
    corner_score, corner_gap = reference
    scores = corner_score + (1 - corner_score) * (np.arange(cells) + 0.5) / cells
    gaps = corner_gap * (np.arange(cells) + 0.5) / cells
    beaten = np.zeros((cells, cells), dtype=bool)
    for score, gap in points:
        beaten |= (scores[:, None] <= score) & (gaps[None, :] >= gap)
    return float(beaten.mean() * (1 - corner_score) * corner_gap)
